/**
 * Patterns and validators are linear in their input: a hostile text of 100,000 characters, which a
 * pattern that tries every way to read it would take minutes for, is refused before the fuse blows.
 */
import { expect, test } from "@jest/globals";

import { tables } from "../server/generated/tables.ts";
import { scalars } from "../server/graphql/scalars.ts";
import { checkFaults } from "../server/rules.ts";
import type { Check, Table } from "../server/tables.ts";
import { withRollback } from "./helpers/database.ts";
import { refusal } from "./helpers/refusal.ts";

const size = 100_000;
const repeated = ["a", "a.", "a-", "-", "a@a.", " ", "a\n", "1.", "2024-"];
const hostile = repeated.flatMap((part) => {
  const text = part.repeat(size / part.length);
  return [text, `a@${text}`, `a@${text}!`, `1${text}x`];
});

const checks = Object.values<Table>(tables).flatMap((table) =>
  table.checks.map((check): [string, Check, string] => [
    check.constraint,
    check,
    table.columns[check.field]?.type ?? "",
  ]),
);
const fuse = 60_000;

test.each(checks.filter(([, , type]) => type === "text" || type === "text[]"))(
  "%s ends in TypeScript",
  (_name, check, type) => {
    for (const text of hostile) checkFaults(check, type === "text" ? text : [text]);
  },
  fuse,
);

test.each(Object.entries(scalars))(
  "the scalar %s ends",
  (_name, scalar) => {
    for (const text of hostile) expect(scalar.isValid(text)).toBe(false);
  },
  fuse,
);

test(
  "every rule about text ends in the database",
  () =>
    withRollback(async (client) => {
      await client.query(`set local statement_timeout = ${fuse / 2}`);
      for (const text of hostile) {
        for (const [statement, constraint] of [
          [
            `insert into crm.contacts (first_name, last_name, emails, phones)
             values ($1, $1, array[$1], array[$1])`,
            "contacts_first_name_",
          ],
          [
            `insert into crm.companies (name, address) values ($1, jsonb_build_object('city', $1::text))`,
            "companies_name_",
          ],
          [
            `insert into crm.custom_field_definitions
               (name, label, entity_type, field_type, enum_values)
             values ($1, $1, $1, $1, array[$1])`,
            "custom_field_definitions_name_",
          ],
        ] as const) {
          expect((await refusal(client, statement, [text])).constraint).toContain(constraint);
        }
      }
    }),
  2 * fuse,
);

test(
  "the check of a custom field of every type ends in the database",
  () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
         select type, type, 'company', type, case type when 'enum' then array['a'] end
         from unnest('{text,number,date,enum,boolean}'::text[]) as type`,
      );
      await client.query(`set local statement_timeout = ${fuse / 2}`);
      for (const text of hostile) {
        const refused = await refusal(
          client,
          `insert into crm.companies (name, custom_fields)
           select 'Acme', jsonb_object_agg(type, $1::text)
           from unnest('{text,number,date,enum,boolean}'::text[]) as type`,
          [text],
        );
        expect(Object.keys(refused.fields ?? {})).toHaveLength(5);
      }
    }),
  2 * fuse,
);
