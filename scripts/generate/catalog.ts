import type pg from "pg";

/** A table of schema `crm`, as its catalog has it. */
export interface CatalogTable {
  name: string;
  comment: string;
  /** What the journal calls a row of it. */
  journalName: string;
  columns: CatalogColumn[];
  rules: CatalogRule[];
}

export interface CatalogColumn {
  name: string;
  field: string;
  type: string;
  required: boolean;
  insertable: boolean;
  updatable: boolean;
  /** The default's SQL, where a client may insert the column. */
  defaultSql: string | null;
  comment: string;
}

export interface CatalogRule {
  constraint: string;
  kind: "check" | "reference" | "unique";
  field: string;
  message: string;
  condition: string;
}

/**
 * Reads the tables of schema `crm`, by name. The words that search finds a row by are nobody's to
 * read, so they are left out.
 *
 * What a client may insert and update is what the grants of `crm_admin`, who may most, say. Every
 * journalled table says in the argument of its stamp trigger what a row of it is called.
 *
 * @param client a connection of the owner to a migrated database.
 */
export async function readTables(client: pg.ClientBase): Promise<CatalogTable[]> {
  const { rows } = await client.query<{ table: CatalogTable }>(`
    select json_build_object(
      'name', class.relname,
      'comment', obj_description(class.oid, 'pg_class'),
      'journalName', coalesce(
        (
          select split_part(encode(tgargs, 'escape'), '\\000', 1)
          from pg_trigger
          where tgrelid = class.oid and tgname = '_110_stamp_update'
        ),
        regexp_replace(class.relname, 's$', '')
      ),
      'columns', (
        select json_agg(
          json_build_object(
            'name', attname,
            'field', crm_private.camel_case(attname),
            'type', format_type(atttypid, null),
            'required', attnotnull,
            'insertable', has_column_privilege('crm_admin', attrelid, attnum, 'insert'),
            'updatable', has_column_privilege('crm_admin', attrelid, attnum, 'update'),
            'defaultSql', case
              when has_column_privilege('crm_admin', attrelid, attnum, 'insert')
              then pg_get_expr(adbin, adrelid)
            end,
            'comment', col_description(attrelid, attnum)
          )
          order by attnum
        )
        from pg_attribute
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = class.oid
          and attnum > 0
          and not attisdropped
          and attname <> all ('{search_document,match_keys}'::name[])
      ),
      'rules', (
        select coalesce(
          json_agg(
            json_build_object(
              'constraint', constraint_name,
              'kind', kind,
              'field', field,
              'message', message,
              'condition', condition
            )
            order by ordinal, constraint_name
          ),
          '[]'
        )
        from crm_private.rules
        where table_oid = class.oid and kind <> 'required'
      )
    ) as table
    from pg_class as class
    where relnamespace = 'crm'::regnamespace and relkind in ('r', 'p')
    order by relname
  `);
  return rows.map((row) => row.table);
}

/** The value of a constant SQL expression, as JSON. */
export async function evaluate(client: pg.ClientBase, sql: string): Promise<unknown> {
  const { rows } = await client.query<{ value: unknown }>(`select to_json(${sql}) as value`);
  return rows[0]?.value;
}

/** Every character that `crm_private.is_blank` takes for blank. */
export async function readBlankCharacters(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ characters: string }>(`
    select string_agg(chr(code), '' order by code) as characters
    from generate_series(1, x'10FFFF'::integer) as code
    where code not between x'D800'::integer and x'DFFF'::integer
      and crm_private.is_blank(chr(code))
  `);
  return rows[0]?.characters ?? "";
}

/** A comment without its smart tags: the lines that begin with `@`. */
export function withoutTags(comment: string): string {
  return comment.replace(/^(@.*\n?)*/, "");
}

/** `custom_field_definition` becomes `CustomFieldDefinition`. */
export function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
