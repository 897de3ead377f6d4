import type pg from "pg";

import { code, table } from "./markdown.ts";

interface ForeignKey {
  table: string;
  name: string;
  columns: string[];
  referenced: string;
  referencedColumns: string[];
  onDelete: string;
  onUpdate: string;
}

/** Renders the foreign keys, with the effect of a change of the referenced row. */
export async function renderForeignKeys(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<ForeignKey>(
    `select
       con.conrelid::regclass::text as table,
       con.conname as name,
       array(
         select attname::text from unnest(con.conkey) with ordinality as key (attnum, ordinal)
         join pg_attribute as attribute using (attnum)
         where attribute.attrelid = con.conrelid order by key.ordinal
       ) as columns,
       con.confrelid::regclass::text as referenced,
       array(
         select attname::text from unnest(con.confkey) with ordinality as key (attnum, ordinal)
         join pg_attribute as attribute using (attnum)
         where attribute.attrelid = con.confrelid order by key.ordinal
       ) as "referencedColumns",
       action.name as "onDelete",
       change.name as "onUpdate"
     from pg_constraint as con
     join (
       values ('a', 'refused'), ('r', 'refused'), ('c', 'cascade'), ('n', 'set null'),
         ('d', 'set default')
     ) as action (letter, name) on action.letter = con.confdeltype
     join (
       values ('a', 'refused'), ('r', 'refused'), ('c', 'cascade'), ('n', 'set null'),
         ('d', 'set default')
     ) as change (letter, name) on change.letter = con.confupdtype
     where con.contype = 'f' and con.connamespace = 'crm'::regnamespace
     order by con.conrelid::regclass::text collate "C", con.conname collate "C"`,
  );
  return table(
    ["Constraint", "Column", "References", "On delete", "On update"],
    rows.map((key) => [
      code(key.name),
      code(...key.columns.map((column) => `${key.table}.${column}`)),
      code(...key.referencedColumns.map((column) => `${key.referenced}.${column}`)),
      key.onDelete,
      key.onUpdate,
    ]),
  );
}
