/**
 * Patterns and validators are linear in their input: a hostile text of 100,000 characters, which a
 * pattern that tries every way to read it would take minutes for, is refused before the fuse blows.
 */
import { expect, test } from "@jest/globals";

import { tables } from "../../../server/model/generated/tables.ts";
import { scalars } from "../../../server/model/scalars.ts";
import { checkFaults } from "../../../server/model/rules.ts";
import type { Check, Table } from "../../../server/model/tables.ts";
import { withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

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

/** Expressions that grow, each in its way, with the number of something that is repeated. */
const growing: Record<string, (count: number) => string> = {
  "atoms of one list after the other": (count) => "\\w{0,255}".repeat(count),
  "anchored ones": (count) => `^${"\\w{0,80}".repeat(count)}$`,
  "a group of a list": (count) => `^(.{0,255}){${count}}`,
  "a group of a list, anchored": (count) => `^(.{0,19}){${count}}x$`,
  "a group of what may be empty": (count) => `(.?){${count}}x$`,
  "groups in groups": (count) => `((.?){${count}}){${count}}x$`,
  "a group of stars": (count) => `(\\w*\\s*){${count}}x$`,
  "a group of three lists": (count) => `(\\w{0,9}\\d{0,9}\\s{0,9}){${count}}$`,
  "a choice of lists": (count) => `^([a-z]{0,19}|[b-y0-9]{0,19}){${count}}$`,
  "a choice with many characters": (count) => `(abcdefghijklmnopqrstuvwxyz|\\w{0,19}){${count}}$`,
  "an exact number": (count) => `a(.{${count}}){5}b`,
  "at least a number": (count) => `(?:\\w{${count},}-){5}x`,
  "lists of brackets": (count) => "[^]{2}[:alpha:]]{0,99}".repeat(count),
};

test.each(Object.entries(growing))(
  "%s: what is refused would take long, and what is not ends soon",
  (_name, shape) =>
    withRollback(async (client) => {
      const accepted: number[] = [];
      for (let count = 1; count <= 255 && shape(count).length <= 255; count += 1) {
        const { rows } = await client.query<{ ok: boolean }>(
          "select crm_private.is_pattern($1) as ok",
          [shape(count)],
        );
        if (rows[0]?.ok === true) accepted.push(count);
      }
      const most = Math.max(...accepted);
      expect(accepted).toEqual(Array.from({ length: most }, (_, i) => i + 1));
      expect([most >= 2, most < 255]).toEqual([true, true]);
      // The largest ones that are accepted, each read anew and asked of texts that suit it.
      await client.query("set local statement_timeout = '2s'");
      for (const count of accepted.slice(-3)) {
        for (const text of ["a", "a1 -_é.ß", "ab ", "abcdefghijklmnopqrstuvwxyz", "aaaaaaaaab"]) {
          const value = text.repeat(10_000 / text.length);
          await client.query("select $1 ~ $2", [value, shape(count)]);
          await client.query("select $1 ~ $2", [`${value.slice(1)}!`, shape(count)]);
        }
      }
    }),
  fuse,
);

test("every repetition counts, wherever it stands; what looks like one does not", () =>
  withRollback(async (client) => {
    const extents = {
      "^[A-Z]{2}\\d{6,10}$": [14, 2],
      "(.{0,255}){31}": [7905, 31],
      "((.?){20}){20}": [400, 400],
      "(\\w+\\s?){100}": [300, 1],
      "(a|b*){5}": [10, 5],
      "a{3,}": [4, 0],
      "[]{255}]{2}": [2, 0],
      "[[:alpha:]{9}]": [1, 0],
      "\\(\\){3}": [4, 0],
      "a\\\\{5}": [6, 0],
      "(){50}": [50, 50],
      "(^|$){40}": [80, 80],
    };
    for (const [pattern, [atoms, skippable]] of Object.entries(extents)) {
      const { rows } = await client.query(
        "select atoms::int, skippable::int from crm_private.pattern_extent($1)",
        [pattern],
      );
      expect([pattern, rows]).toEqual([pattern, [{ atoms, skippable }]]);
    }
  }));
