import type pg from "pg";

interface Column {
  table: string;
  name: string;
  type: string;
  keys: string[];
  nullable: boolean;
  generated: boolean;
}

interface Relation {
  child: string;
  parent: string;
  column: string;
  nullable: boolean;
}

/** Renders a diagram of the tables in `crm`: columns with types and keys, and relations. */
export async function renderDiagram(client: pg.ClientBase): Promise<string> {
  const columns = await client.query<Column>(
    `select
       class.relname as table,
       attribute.attname as name,
       -- The name of an array type is that of its elements, prefixed with an underscore.
       case when element.oid is null then type.typname::text else element.typname || '[]' end
         as type,
       array(
         select key
         from unnest(array['PK', 'FK', 'UK'], array['p', 'f', 'u']) as kind (key, contype)
         where exists (
           select from pg_constraint as con
           where con.conrelid = class.oid
             and con.contype::text = kind.contype
             and attribute.attnum = any (con.conkey)
         )
       ) as keys,
       not attribute.attnotnull as nullable,
       attribute.attgenerated <> ''
           or attribute.attname = any (crm_private.derived_columns()) as generated
     from pg_class as class
     join pg_attribute as attribute on attribute.attrelid = class.oid
     join pg_type as type on type.oid = attribute.atttypid
     left join pg_type as element on element.oid = type.typelem and type.typcategory = 'A'
     where class.relnamespace = 'crm'::regnamespace
       and class.relkind in ('r', 'p')
       and not class.relispartition
       and attribute.attnum > 0
       and not attribute.attisdropped
     order by class.relname collate "C", attribute.attnum`,
  );
  const relations = await client.query<Relation>(
    `select
       child.relname as child,
       parent.relname as parent,
       attribute.attname as column,
       not attribute.attnotnull as nullable
     from pg_constraint as con
     join pg_class as child on child.oid = con.conrelid
     join pg_class as parent on parent.oid = con.confrelid
     join pg_attribute as attribute
       on attribute.attrelid = con.conrelid and attribute.attnum = con.conkey[1]
     where con.contype = 'f' and con.connamespace = 'crm'::regnamespace
     order by child.relname collate "C", attribute.attnum`,
  );
  return [
    "```mermaid",
    "erDiagram",
    ...[...new Set(columns.rows.map((column) => column.table))].flatMap((name) => [
      `  ${name} {`,
      ...columns.rows.filter((column) => column.table === name).map(drawColumn),
      "  }",
    ]),
    ...relations.rows.map(drawRelation),
    "```",
  ].join("\n");
}

function drawColumn({ name, type, keys, nullable, generated }: Column): string {
  const remark = generated ? "generated" : nullable ? "optional" : undefined;
  return [
    `    ${type} ${name}`,
    ...(keys.length > 0 ? [keys.join(", ")] : []),
    ...(remark === undefined ? [] : [`"${remark}"`]),
  ].join(" ");
}

function drawRelation({ parent, child, column, nullable }: Relation): string {
  return `  ${parent} ${nullable ? "|o" : "||"}--o{ ${child} : ${column}`;
}
