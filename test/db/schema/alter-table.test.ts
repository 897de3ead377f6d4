import { expect, test } from "@jest/globals";

import { withRollback } from "../../helpers/database.ts";

/*
 * Releases of PostgreSQL from November 2026 on refuse to rewrite a table, or to add a column that has a
 * default or is generated, while the body or an argument's default of a function uses its row type.
 */
const changes = [
  "add column added_constant integer default 5",
  "add column added_volatile uuid default gen_random_uuid()",
  "add column added_generated text generated always as (md5('row')) stored",
  "alter column added_constant type bigint",
];

test("every table can be altered, with custom fields of every type", () =>
  withRollback(async (client) => {
    const { rows: definitions } = await client.query<{ name: string; entity_type: string }>(
      `insert into crm.custom_field_definitions
         (name, label, entity_type, field_type, enum_values, default_value)
       select
         'altered_' || field_type, field_type, entity_type, field_type,
         case when field_type like '%enum' then array['a', 'b'] end, null
       from unnest(array['contact', 'company', 'deal']) as entity_type
       cross join unnest(array['text', 'number', 'date', 'boolean', 'enum', 'multi_enum'])
         as field_type
       returning name, entity_type`,
    );
    expect(definitions).toHaveLength(18);

    const { rows: tables } = await client.query<{ name: string }>(
      `select oid::regclass::text as name
       from pg_class
       where relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
         and relkind in ('r', 'p')
         and not relispartition`,
    );
    expect(tables.length).toBeGreaterThan(9);
    for (const { name } of tables) {
      for (const change of changes) await client.query(`alter table ${name} ${change}`);
    }
  }));
