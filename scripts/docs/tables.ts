import type pg from "pg";

import { code, escapeTags, table, withoutTags } from "./markdown.ts";

interface Table {
  name: string;
  comment: string | null;
  columns: { name: string; type: string; value: string; comment: string | null }[];
}

interface Rule {
  table: string;
  name: string;
  kind: string;
  field: string;
  message: string;
}

/** Renders a data dictionary: every table of `crm` with its columns and rules. */
export async function renderTables(client: pg.ClientBase): Promise<string> {
  const { rows: tables } = await client.query<Table>(
    `select
       class.relname as name,
       obj_description(class.oid, 'pg_class') as comment,
       (
         select json_agg(
           json_build_object(
             'name', attname,
             'type', format_type(atttypid, atttypmod),
             'value', case
               when attgenerated <> '' then 'generated'
               when attname = any (crm_private.derived_columns()) then 'derived'
               when atthasdef then coalesce(pg_get_expr(adbin, adrelid), '')
               when attidentity <> '' then 'identity'
               when attnotnull then 'required'
               else 'optional'
             end,
             'comment', col_description(attrelid, attnum)
           )
           order by attnum
         )
         from pg_attribute
         left join pg_attrdef on adrelid = attrelid and adnum = attnum
         where attrelid = class.oid and attnum > 0 and not attisdropped
       ) as columns
     from pg_class as class
     where class.relnamespace = 'crm'::regnamespace
       and class.relkind in ('r', 'p')
       and not class.relispartition
     order by class.relname collate "C"`,
  );
  const { rows: rules } = await client.query<Rule>(
    `select
       class.relname as table,
       rule.constraint_name as name,
       rule.kind,
       rule.field,
       rule.message
     from crm_private.rules as rule
     join pg_class as class on class.oid = rule.table_oid
     where rule.kind <> 'required'
     order by class.relname collate "C", rule.ordinal, rule.constraint_name collate "C"`,
  );
  return tables
    .map(({ name, comment, columns }) => {
      const own = rules.filter((rule) => rule.table === name);
      return [
        `## ${code(name)}`,
        escapeTags(withoutTags(comment)),
        table(
          ["Column", "Type", "Default", "Description"],
          columns.map((column) => [
            code(column.name),
            column.type,
            ["generated", "derived", "identity", "required", "optional"].includes(column.value)
              ? column.value
              : code(column.value),
            escapeTags(withoutTags(column.comment)),
          ]),
        ),
        ...(own.length === 0
          ? []
          : [
              table(
                ["Constraint", "Kind", "Field", "Message"],
                own.map((rule) => [code(rule.name), rule.kind, code(rule.field), rule.message]),
              ),
            ]),
      ].join("\n\n");
    })
    .join("\n\n");
}
