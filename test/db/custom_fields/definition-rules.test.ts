import { describe, expect, test } from "@jest/globals";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

import { connect, withConnection } from "../../../server/postgres/connect.ts";
import { asRole, createTestDatabase, untilBlocked, withRollback } from "../../helpers/database.ts";
import { outcome, refusal } from "../../helpers/refusal.ts";

type Definition = Record<string, unknown>;

/** Defines a field of companies by columns; `f`, a text, where they say nothing else. */
async function define(client: pg.Client, columns: Definition = {}): Promise<void> {
  const { text, values } = insert(columns);
  await client.query(text, values);
}

function insert(columns: Definition): { text: string; values: unknown[] } {
  const row = { name: "f", label: "F", entity_type: "company", field_type: "text", ...columns };
  const names = Object.keys(row).join(", ");
  return {
    text: `insert into crm.custom_field_definitions (${names})
           select ${names} from jsonb_populate_record(null::crm.custom_field_definitions, $1)`,
    values: [JSON.stringify(row)],
  };
}

const write = "insert into crm.companies (name, custom_fields) values ('Acme', $1)";
const change = "update crm.custom_field_definitions set ";

async function valuesOf(client: pg.Client): Promise<unknown[]> {
  const { rows } = await client.query<{ custom_fields: unknown }>(
    "select custom_fields from crm.companies order by custom_fields::text",
  );
  return rows.map((row) => row.custom_fields);
}

describe("a rule", () => {
  test.each<[string, Definition, string[], [string, string, string][]]>([
    [
      "minimum of a number",
      { field_type: "number", minimum: "-1.50" },
      [`-1.5`, `0`, `1e300`],
      [[`-1.51`, "minimum", "must be at least -1.50"]],
    ],
    [
      "maximum of a number",
      { field_type: "number", maximum: "123456789012345678901234567890.1" },
      [`123456789012345678901234567890.1`, `-1e300`],
      [
        [
          `123456789012345678901234567890.2`,
          "maximum",
          "must be at most 123456789012345678901234567890.1",
        ],
      ],
    ],
    [
      "minimum of a date",
      { field_type: "date", minimum: "2024-02-29" },
      [`"2024-02-29"`, `"9999-12-31"`],
      [[`"2024-02-28"`, "minimum", "must not be before 2024-02-29"]],
    ],
    [
      "maximum of a date",
      { field_type: "date", maximum: "0999-12-31" },
      [`"0999-12-31"`, `"0001-01-01"`],
      [[`"1000-01-01"`, "maximum", "must not be after 0999-12-31"]],
    ],
    [
      "maximum length",
      { max_length: 3 },
      [`""`, `"abc"`, `"𝄞𝄞𝄞"`],
      [[`"abcd"`, "max_length", "must have at most 3 characters"]],
    ],
    [
      "pattern",
      { pattern: "^[A-Z]{2}'%s\\\\$" },
      [`"AB'%s\\\\"`],
      [[`"ab"`, "pattern", "must match ^[A-Z]{2}'%s\\\\$"]],
    ],
    [
      "pattern that is not anchored",
      { pattern: "b+" },
      [`"abc"`],
      [[`"ac"`, "pattern", "must match b+"]],
    ],
  ])("%s is kept, or told by its name and message", (_, definition, good, bad) =>
    withRollback(async (client) => {
      await define(client, definition);
      for (const value of good) await client.query(write, [`{"f": ${value}}`]);
      await client.query(write, [`{}`]);
      for (const [value, rule, message] of bad) {
        expect(await refusal(client, write, [`{"f": ${value}}`])).toMatchObject({
          code: "23514",
          column: "custom_fields",
          constraint: `companies_custom_fields_${rule}`,
          fields: { "customFields.f": [message] },
        });
      }
    }),
  );

  test("is told with all others that a value breaks, and a value of another type has one fault", () =>
    withRollback(async (client) => {
      await define(client, { max_length: 2, pattern: "^[a-z]+$" });
      await define(client, { name: "n", field_type: "number", minimum: "3", maximum: "4" });
      await define(client, { name: "r", required: true, pattern: "x" });
      expect((await refusal(client, write, [`{"f": "ABC", "n": "5", "z": 1}`])).fields).toEqual({
        "customFields.f": ["must have at most 2 characters", "must match ^[a-z]+$"],
        "customFields.n": ["must be a number of at most 400 digits"],
        "customFields.r": ["is required"],
        "customFields.z": ["is not a custom field of this entity type"],
      });
    }));
});

describe("a definition is refused", () => {
  test.each<[string, Definition, Record<string, string[]>]>([
    ["with a blank description", { description: " " }, { description: ["must not be blank"] }],
    [
      "with a description of 1,001 characters",
      { description: "x".repeat(1001) },
      { description: ["must have at most 1,000 characters"] },
    ],
    [
      "with bounds of a text",
      { minimum: "1", maximum: "2" },
      {
        minimum: ["can be given for a number or a date only"],
        maximum: ["can be given for a number or a date only"],
      },
    ],
    [
      "with a length and a pattern of a number",
      { field_type: "number", max_length: 3, pattern: "x" },
      {
        maxLength: ["can be given for a text only"],
        pattern: ["can be given for a text only"],
      },
    ],
    ...["x", "NaN", "Infinity", "1e3", "", " 1", "0x1", "1".repeat(151)].map(
      (minimum): [string, Definition, Record<string, string[]>] => [
        `with a number from ${minimum.slice(0, 10)}`,
        { field_type: "number", minimum, maximum: "3", default_value: 2 },
        { minimum: [expect.stringContaining("is not a decimal number") as never] },
      ],
    ),
    [
      "with a date to no day",
      { field_type: "date", minimum: "2026-02-28", maximum: "2026-02-29" },
      { maximum: [expect.stringContaining("is not a decimal number or, for a date") as never] },
    ],
    [
      "with a maximum below the minimum",
      { field_type: "number", minimum: "10", maximum: "9.99" },
      { maximum: ["must not be less than the minimum"] },
    ],
    [
      "with a last day before the first",
      { field_type: "date", minimum: "2026-01-02", maximum: "2026-01-01" },
      { maximum: ["must not be less than the minimum"] },
    ],
    ["with no length at all", { max_length: 0 }, { maxLength: ["must be from 1 to 10,000"] }],
    ["with too great a length", { max_length: 10001 }, { maxLength: ["must be from 1 to 10,000"] }],
    [
      "with a pattern of 256 characters",
      { pattern: "x".repeat(256) },
      { pattern: ["must have at most 255 characters"] },
    ],
    ...[
      ...["[", "(", "*", "a{2,1}", "\\", "(a)\\1", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "***=("],
      ...["^(.{0,255}){31}", "\\w{0,255}".repeat(27), "(?:.{0,255})(?#x){31}"],
      ...["(?:(?:.?){255}){3}", "(?:(?:.*){255}){3}", "(?x)(?:(?:.?) {255}) {3}", "(?b)\\(a\\)\\1"],
    ].map((pattern): [string, Definition, Record<string, string[]>] => [
      `with the pattern ${pattern}`,
      { pattern, default_value: "a" },
      { pattern: [expect.stringContaining("is not a regular expression") as never] },
    ]),
    [
      "with a default that breaks its own rule",
      { field_type: "number", minimum: "3", default_value: 2 },
      { defaultValue: ["2 breaks a rule of the field itself"] },
    ],
    [
      "with a default of another type",
      { field_type: "date", default_value: "today" },
      { defaultValue: [`"today" breaks a rule of the field itself`] },
    ],
    [
      "with a default that is null",
      { field_type: "multi_enum", enum_values: ["a"], default_value: ["a", null] },
      { defaultValue: [`["a", null] breaks a rule of the field itself`] },
    ],
    [
      "as unique with a default",
      { is_unique: true, default_value: "a" },
      { defaultValue: ["cannot be given for a unique field"] },
    ],
    ...["boolean", "multi_enum"].map(
      (fieldType): [string, Definition, Record<string, string[]>] => [
        `as unique ${fieldType}`,
        {
          field_type: fieldType,
          is_unique: true,
          ...(fieldType === "multi_enum" ? { enum_values: ["a"] } : {}),
        },
        { isUnique: ["can be true for a text, a number, a date or an enum only"] },
      ],
    ),
    [
      "as unique with a name too long for its constraint",
      { is_unique: true, name: "x".repeat(40) },
      { isUnique: ["needs a name of at most 39 characters"] },
    ],
    [
      "with all its faults at once",
      { label: "", pattern: "(", max_length: 0, minimum: "x", default_value: 1 },
      {
        label: ["must not be blank"],
        pattern: [expect.any(String) as never],
        maxLength: [expect.any(String) as never],
        minimum: [expect.any(String) as never],
      },
    ],
    [
      "as a multi_enum without values",
      { field_type: "multi_enum" },
      { enumValues: [expect.any(String) as never] },
    ],
  ])("%s", (_, columns, fields) =>
    withRollback(async (client) => {
      await client.query("set local statement_timeout = '5s'");
      const { text, values } = insert(columns);
      expect(await refusal(client, text, values)).toMatchObject({ code: "23514", fields });
    }),
  );

  test("never for a usual pattern", () =>
    withRollback(async (client) => {
      const usual = [
        ...["^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "^(?i)[a-z]+$".slice(1), "^DE\\d{9}$"],
        ...["^(?:[A-Z]{2}-?){1,10}$", "\\\\1", "\\(?=", "^((25[0-5]|1?\\d?\\d)(\\.|$)){4}$"],
        ...[
          "^.{1,255}@.{1,255}$",
          "^\\w{1,50}(\\.\\w{1,50}){0,9}$",
          "^[A-Za-z0-9+/]{22,255}={0,2}$",
        ],
        ...["^(\\+\\d{1,3} ?)?(\\d{2,4}[ -]?){2,5}$", "^https?://\\S{1,250}$", "^(\\w+ ?){1,20}$"],
      ];
      for (const [index, pattern] of usual.entries()) {
        await define(client, { name: `p${index}`, pattern });
      }
    }));
});

describe("a tightened rule that rows contradict is refused with their count", () => {
  test.each<[Definition, string[], string, Record<string, string[]>]>([
    [
      { field_type: "number" },
      [`1`, `5`, `9`],
      "minimum = '2', maximum = '4'",
      {
        minimum: ["existing companies with another value: 1 (must be at least 2)"],
        maximum: ["existing companies with another value: 2 (must be at most 4)"],
      },
    ],
    [
      {},
      [`"ab"`, `"abc"`, `"%s"`],
      "max_length = 2, pattern = '^[a-c%s]+$'",
      { maxLength: ["existing companies with another value: 1 (must have at most 2 characters)"] },
    ],
    [
      {},
      [`"ab"`, `"%s"`],
      "pattern = '%s'",
      { pattern: ["existing companies with another value: 1 (must match %s)"] },
    ],
    [
      { field_type: "multi_enum", enum_values: ["a", "b"] },
      [`["a"]`, `["a", "b"]`],
      "enum_values = '{a}'",
      { enumValues: [expect.stringMatching(": 1 ") as never] },
    ],
    [
      {},
      [`"a"`, `"b"`, `"a"`, `"a"`],
      "is_unique = true",
      { isUnique: ["existing companies with a value that another one has: 3"] },
    ],
    [
      {},
      [`"a"`, `"a"`],
      "field_type = 'number', is_unique = true",
      {
        fieldType: [expect.stringMatching(": 2 ") as never],
        isUnique: [expect.stringMatching(": 2$") as never],
      },
    ],
    [
      { field_type: "number" },
      [`1`],
      "name = 'g', minimum = '2'",
      { minimum: ["existing companies with another value: 1 (must be at least 2)"] },
    ],
  ])("%j with %j, %s", (definition, given, set, fields) =>
    withRollback(async (client) => {
      await define(client, definition);
      for (const value of given) await client.query(write, [`{"f": ${value}}`]);
      const refused = await refusal(client, change + set);
      expect(refused).toMatchObject({
        code: "23514",
        constraint: "custom_field_definitions_values_hold",
      });
      expect(refused.fields).toEqual(fields);
    }),
  );

  test("and a looser one is not counted: it never reads the rows", () =>
    withRollback(async (client) => {
      await define(client, { field_type: "number", minimum: "2", maximum: "4" });
      await client.query(write, [`{"f": 3}`]);
      await client.query(`${change} minimum = null`);
      await client.query(`${change} maximum = '3'`);
      await client.query(write, [`{"f": -7}`]);
      expect(await refusal(client, write, [`{"f": 3.01}`])).toMatchObject({ code: "23514" });
    }));
});

describe("a default", () => {
  const standard = `d'"\\%s $1 𝄞`;
  const defaults = async (client: pg.Client) => {
    await define(client, { default_value: standard, required: true });
    await define(client, { name: "g", field_type: "boolean", default_value: false });
    await define(client, {
      name: "m",
      field_type: "multi_enum",
      enum_values: ["a", "b"],
      default_value: ["b"],
    });
  };

  test("is given to new rows that lack the field, not to those that have it or null", () =>
    withRollback(async (client) => {
      await defaults(client);
      await asRole(client, "crm_member", "ann");
      const { rows } = await client.query(
        `insert into crm.companies (name, custom_fields)
         values ('A', default), ('B', '{"f": "x", "g": null}'), ('C', '{"f": "y", "g": true, "m": ["a"]}'),
           ('D', '{"$merge": {"f": "x", "g": null}}'), ('E', '{"$merge": {}}')
         returning custom_fields`,
      );
      expect(rows.map((row: { custom_fields: unknown }) => row.custom_fields)).toEqual([
        { f: standard, g: false, m: ["b"] },
        { f: "x", m: ["b"] },
        { f: "y", g: true, m: ["a"] },
        { f: "x", m: ["b"] },
        { f: standard, g: false, m: ["b"] },
      ]);
      for (const without of [`{"f": null}`, `{"$merge": {"f": null}}`]) {
        expect(await refusal(client, write, [without])).toMatchObject({
          fields: { "customFields.f": ["is required"] },
        });
      }
      expect(await refusal(client, write, [`[]`])).toMatchObject({
        fields: { customFields: ["must be an object"] },
      });
    }));

  test("is given to rows that are copied in", () =>
    withRollback(async (client) => {
      await defaults(client);
      const stream = client.query(copyFrom("copy crm.companies (name) from stdin"));
      await new Promise((resolve, reject) => {
        stream.on("finish", resolve).on("error", reject);
        stream.end("Acme\n");
      });
      expect(await valuesOf(client)).toEqual([{ f: standard, g: false, m: ["b"] }]);
    }));

  test("does not touch rows that are there, and an update takes it away for good", () =>
    withRollback(async (client) => {
      await client.query(write, [`{}`]);
      await define(client, { default_value: "d" });
      expect(await valuesOf(client)).toEqual([{}]);
      await client.query(write, [`{}`]);
      await client.query("update crm.companies set custom_fields = '{}'");
      expect(await valuesOf(client)).toEqual([{}, {}]);
    }));

  test("that is taken away, or whose definition is, is given no longer", () =>
    withRollback(async (client) => {
      await define(client, { default_value: "d" });
      await define(client, { name: "g", default_value: "e" });
      await client.query(`${change} default_value = null where name = 'f'`);
      await client.query(write, [`{}`]);
      await client.query("delete from crm.custom_field_definitions where name = 'g'");
      await client.query(write, [`{}`]);
      expect(await valuesOf(client)).toEqual([{}, {}]);
    }));

  test("does not make up for rows that lack a required field", () =>
    withRollback(async (client) => {
      await client.query(write, [`{}`]);
      const { text, values } = insert({ required: true, default_value: "d" });
      expect(await refusal(client, text, values)).toMatchObject({
        fields: { required: ["existing companies without a value: 1"] },
      });
    }));

  test("is not given to a row that comes back from the trash", () =>
    withRollback(async (client) => {
      await client.query(write, [`{}`]);
      const { rows } = await client.query<{ id: string }>("delete from crm.companies returning id");
      await define(client, { default_value: "d" });
      await client.query("select crm.restore_deleted('company', $1)", [rows[0]?.id]);
      expect(await valuesOf(client)).toEqual([{}]);
    }));
});

describe("a unique field", () => {
  const taken = { code: "23P01", constraint: "companies_custom_f_unique" };

  test.each<[Definition, string, string, string]>([
    [{}, `"a"`, `"A"`, `"a"`],
    [{}, `"${"x".repeat(10_000)}"`, `"${"x".repeat(9_999)}"`, `"${"x".repeat(10_000)}"`],
    [{ field_type: "number" }, `1`, `10`, `1.0`],
    [{ field_type: "date" }, `"2026-01-01"`, `"2026-01-02"`, `"2026-01-01"`],
    [{ field_type: "enum", enum_values: ["a", "b"] }, `"a"`, `"b"`, `"a"`],
  ])("%j has each value once, and any number of rows without one", (definition, one, other, same) =>
    withRollback(async (client) => {
      await define(client, { ...definition, is_unique: true });
      await client.query(write, [`{"f": ${one}}`]);
      await client.query(write, [`{"f": ${other}}`]);
      for (const none of [`{}`, `{}`, `{"f": null}`]) await client.query(write, [none]);
      expect(await refusal(client, write, [`{"f": ${same}}`])).toMatchObject(taken);
      expect(
        await refusal(client, "update crm.companies set custom_fields = $1", [`{"f": ${same}}`]),
      ).toMatchObject(taken);
    }),
  );

  test("can be swapped in one statement, and is free again where its row is gone", () =>
    withRollback(async (client) => {
      await define(client, { is_unique: true });
      await client.query(write, [`{"f": "a"}`]);
      await client.query(write, [`{"f": "b"}`]);
      await client.query(
        `update crm.companies set custom_fields = jsonb_build_object('f',
           case custom_fields ->> 'f' when 'a' then 'b' else 'a' end)`,
      );
      await client.query("delete from crm.companies where custom_fields ->> 'f' = 'a'");
      await client.query(write, [`{"f": "a"}`]);
    }));

  test("is one of its entity type, and no longer where the definition says so or is gone", () =>
    withRollback(async (client) => {
      await define(client, { is_unique: true });
      await define(client, { entity_type: "contact" });
      const contact = `insert into crm.contacts (first_name, last_name, custom_fields)
        values ('Ada', 'King', '{"f": "a"}')`;
      await client.query(contact);
      await client.query(contact);
      await client.query(write, [`{"f": "a"}`]);
      await client.query(`${change} is_unique = false`);
      await client.query(write, [`{"f": "a"}`]);
      await client.query("delete from crm.companies");
      await client.query(`${change} is_unique = true where entity_type = 'company'`);
      await client.query("delete from crm.custom_field_definitions");
      await define(client);
      await client.query(write, [`{"f": "a"}`]);
      await client.query(write, [`{"f": "a"}`]);
    }));

  test("stays unique under another name and another type", () =>
    withRollback(async (client) => {
      await define(client, { is_unique: true });
      await client.query(write, [`{"f": "a"}`]);
      await client.query(`${change} name = 'g', field_type = 'enum', enum_values = '{a}'`);
      expect(await refusal(client, write, [`{"g": "a"}`])).toMatchObject({
        code: "23P01",
        constraint: "companies_custom_g_unique",
      });
      await client.query("update crm.companies set custom_fields = '{}'");
      await client.query(`${change} field_type = 'number', enum_values = null`);
      await client.query(write, [`{"g": 1}`]);
      expect(await refusal(client, write, [`{"g": 1.00}`])).toMatchObject({ code: "23P01" });
    }));

  test("that was taken meanwhile is left out of a row that is restored, which is told", () =>
    withRollback(async (client) => {
      await define(client, { is_unique: true });
      await client.query(write, [`{"f": "a"}`]);
      const { rows } = await client.query<{ id: string }>("delete from crm.companies returning id");
      await client.query(write, [`{"f": "a"}`]);
      const { rows: restored } = await client.query<{ kept: unknown }>(
        "select kept from crm.restore_deleted('company', $1)",
        [rows[0]?.id],
      );
      expect(restored).toEqual([
        { kept: [expect.objectContaining({ entityId: rows[0]?.id, field: "customFields.f" })] },
      ]);
      const { rows: companies } = await client.query(
        "select custom_fields from crm.companies where id = $1",
        [rows[0]?.id],
      );
      expect(companies).toEqual([{ custom_fields: {} }]);
    }));
});

describe("a field that is renamed", () => {
  test("takes its values along, logged as updates by who renamed it", () =>
    withRollback(async (client) => {
      await define(client);
      await define(client, { name: "other", field_type: "number" });
      await client.query(write, [`{"f": "a", "other": 1}`]);
      await client.query(write, [`{"other": 2}`]);
      await asRole(client, "crm_admin", "ann");
      await client.query(`${change} name = 'g' where name = 'f'`);
      expect(await valuesOf(client)).toEqual([{ g: "a", other: 1 }, { other: 2 }]);
      const { rows } = await client.query(
        `select changes, user_id from crm.audit_logs
         where action = 'update' and entity_type = 'company'`,
      );
      expect(rows).toEqual([
        {
          user_id: "ann",
          changes: {
            "custom_fields.f": { old: "a", new: null },
            "custom_fields.g": { old: null, new: "a" },
          },
        },
      ]);
    }));

  test("is refused if the name is taken, and where a view of somebody reads its report", () =>
    withRollback(async (client) => {
      await define(client);
      await define(client, { name: "g" });
      expect(await refusal(client, `${change} name = 'g' where name = 'f'`)).toMatchObject({
        code: "23505",
        constraint: "custom_field_definitions_name_unique",
      });
      await client.query("create view public.theirs as select custom_f from reporting.companies");
      expect(await refusal(client, `${change} name = 'h' where name = 'f'`)).toMatchObject({
        code: "23514",
        constraint: "custom_field_definitions_report_used",
      });
    }));

  test("can be one of many, of several entity types, in one statement", () =>
    withRollback(async (client) => {
      for (const name of ["a", "b"]) {
        await define(client, { name });
        await define(client, { name, entity_type: "contact" });
      }
      await client.query(write, [`{"a": "1", "b": "2"}`]);
      await client.query(
        `insert into crm.contacts (first_name, last_name, custom_fields)
         values ('Ada', 'King', '{"b": "3"}')`,
      );
      await client.query(`${change} name = name || '_x'`);
      expect(await valuesOf(client)).toEqual([{ a_x: "1", b_x: "2" }]);
      const { rows } = await client.query("select custom_fields from crm.contacts");
      expect(rows).toEqual([{ custom_fields: { b_x: "3" } }]);
    }));
});

describe("a value of a list that is renamed", () => {
  const rename = "select * from crm.rename_custom_field_value('company', $1, $2, $3)";

  test.each<[string, Definition, string[], unknown[], unknown]>([
    [
      "enum",
      { default_value: "a" },
      [`{"f": "a"}`, `{"f": "b"}`, `{}`],
      [{ f: "A'" }, { f: "A'" }, { f: "b" }],
      "A'",
    ],
    [
      "multi_enum",
      { default_value: ["b", "a"] },
      [`{"f": ["b", "a"]}`, `{"f": ["b"]}`],
      [{ f: ["b", "A'"] }, { f: ["b"] }],
      ["b", "A'"],
    ],
  ])("takes every row of an %s and its default along", (fieldType, rules, given, kept, standard) =>
    withRollback(async (client) => {
      await define(client, { field_type: fieldType, enum_values: ["a", "b"], ...rules });
      for (const value of given) await client.query(write, [value]);
      await asRole(client, "crm_admin", "ann");
      const { rows } = await client.query(rename, ["f", "a", "A'"]);
      expect(rows).toMatchObject([{ enum_values: ["A'", "b"], default_value: standard }]);
      expect(await valuesOf(client)).toEqual(kept);
      const entries = await client.query(
        `select user_id from crm.audit_logs where action = 'update' and entity_type = 'company'`,
      );
      expect(entries.rows.every((row: { user_id: string }) => row.user_id === "ann")).toBe(true);
      expect(entries.rowCount).toBe(kept.length - 1);
      const a = fieldType === "enum" ? `{"f": "a"}` : `{"f": ["a"]}`;
      expect(await refusal(client, write, [a])).toMatchObject({ code: "23514" });
    }),
  );

  test("is refused with the argument that is at fault", () =>
    withRollback(async (client) => {
      await define(client, { field_type: "enum", enum_values: ["a", "b"] });
      await define(client, { name: "t" });
      for (const [values, fields] of [
        [["x", "a", "c"], { name: [expect.any(String)] }],
        [["t", "a", "c"], { oldValue: [`"a" is not a value of this field`] }],
        [["f", "c", "d"], { oldValue: [`"c" is not a value of this field`] }],
        [["f", "a", "b"], { newValue: [`"b" is a value of this field already`] }],
        [["f", "a", "a"], { newValue: [expect.any(String)] }],
        [["f", "a", " "], { newValue: ["must not be blank"] }],
        [["f", "a", "x".repeat(256)], { newValue: ["must have at most 255 characters"] }],
        [["f", null, "x"], { oldValue: ["is required"] }],
        [["f", "a", null], { newValue: ["is required"] }],
      ] as const) {
        expect(await refusal(client, rename, [...values])).toMatchObject({ code: "23514", fields });
      }
      await asRole(client, "crm_member", "ann");
      expect(await refusal(client, rename, ["f", "a", "c"])).toMatchObject({ code: "42501" });
    }));
});

describe("crm.check_custom_field_rule", () => {
  const check = async (client: pg.Client, given: string) => {
    const { rows } = await client.query<{ value: unknown; message: string }>(
      `select value, message
       from crm.check_custom_field_rule(entity_type => 'company', ${given})
       order by value, message`,
    );
    return rows.map(({ value, message }) => [value, message]);
  };

  test("lists the rows that a rule would break, and changes nothing", () =>
    withRollback(async (client) => {
      await define(client, { field_type: "number", minimum: "0", default_value: 1 });
      await client.query(
        `insert into crm.companies (name, custom_fields)
         values ('A', '{"f": null}'), ('B', '{"f": 3}'), ('C', '{"f": 30}'), ('D', '{"f": 3.0}')`,
      );
      await asRole(client, "crm_admin", "ann");
      expect(await check(client, "name => 'f'")).toEqual([]);
      expect(await check(client, "name => 'f', minimum => '10', required => true")).toEqual([
        [3, "must be at least 10"],
        [3, "must be at least 10"],
        [null, "is required"],
      ]);
      expect(await check(client, "name => 'f', is_unique => true")).toEqual([
        [3, "is not unique"],
        [3, "is not unique"],
      ]);
      expect(await check(client, "name => 'f', field_type => 'text', max_length => 1")).toEqual([
        [3, "must be a text of at most 10,000 characters"],
        [3, "must be a text of at most 10,000 characters"],
        [30, "must be a text of at most 10,000 characters"],
      ]);
      expect(await check(client, "name => 'new', field_type => 'date'")).toEqual([]);
      expect(
        await check(client, "name => 'new', field_type => 'date', required => true"),
      ).toHaveLength(4);
      const { rows } = await client.query(
        `select company.name from crm.check_custom_field_rule('company', 'f', maximum => '29') as fault
         join crm.companies as company on company.id = fault.entity_id`,
      );
      expect(rows).toEqual([{ name: "C" }]);
      expect((await client.query("select minimum from crm.custom_field_definitions")).rows).toEqual(
        [{ minimum: "0" }],
      );
    }));

  test("lists what a change of the definition would count", () =>
    withRollback(async (client) => {
      await define(client, { field_type: "multi_enum", enum_values: ["a", "b"] });
      for (const value of [`["a"]`, `["b", "a"]`]) await client.query(write, [`{"f": ${value}}`]);
      expect(await check(client, "name => 'f', enum_values => '{a}'")).toEqual([
        [["b", "a"], "must be a list of one or more, none twice, of a"],
      ]);
      expect(await check(client, "name => 'f', field_type => 'enum'")).toHaveLength(2);
    }));

  test("refuses what no definition may say, and whoever is no administrator", () =>
    withRollback(async (client) => {
      await define(client, { field_type: "number" });
      const call = (given: string) => `select crm.check_custom_field_rule(${given})`;
      for (const [given, field] of [
        ["'company', 'f', minimum => 'x'", "minimum"],
        ["'company', 'f', pattern => '('", "pattern"],
        ["'company', 'f', field_type => 'json'", "fieldType"],
        ["'company', 'unknown'", "fieldType"],
        ["'company', null, field_type => 'text'", "name"],
        ["null, 'f', field_type => 'text'", "entityType"],
        ["'task', 'f', field_type => 'text'", "entityType"],
        [`'company', repeat('x', 10000), field_type => 'text'`, "name"],
      ] as const) {
        const refused = await refusal(client, call(given));
        expect(refused.code).toBe("23514");
        expect(Object.keys(refused.fields ?? {})).toContain(field);
      }
      for (const role of ["crm_member", "crm_reader", "crm_reporter"] as const) {
        await client.query("savepoint role");
        await asRole(client, role, "ann");
        expect(await refusal(client, call("'company', 'f'"))).toMatchObject({ code: "42501" });
        await client.query("rollback to savepoint role");
      }
    }));
});

test("a report has the values of a multi_enum as a list of texts", () =>
  withRollback(async (client) => {
    await define(client, { field_type: "multi_enum", enum_values: ["b", "a"] });
    await client.query(write, [`{"f": ["b", "a"]}`]);
    await client.query("set local role crm_reporter");
    const { rows } = await client.query(
      "select custom_f, 'a' = any (custom_f) as has from reporting.companies",
    );
    expect(rows).toEqual([{ custom_f: ["b", "a"], has: true }]);
  }));

describe("what was done to definitions is undone", () => {
  test("with the values: a field and a value that were renamed have their names of before", async () => {
    const database = await createTestDatabase();
    try {
      await withConnection(database.ownerUrl, async (client) => {
        await define(client, { field_type: "enum", enum_values: ["a", "b"], is_unique: true });
        const { rows } = await client.query<{ id: string }>(
          `${write.replace("$1", `'{"f": "a"}'`)} returning id`,
        );
        const id = rows[0]?.id;
        const latest = async () =>
          (
            await client.query<{ id: string; transaction: string }>(
              `select id, transaction_id as transaction from crm.audit_logs
               where entity_type = 'company' order by id desc limit 1`,
            )
          ).rows[0];
        await client.query(
          `update crm.companies set custom_fields = '{"f": "b"}' where name = 'Acme'`,
        );
        const older = await latest();

        await client.query("select crm.rename_custom_field_value('company', 'f', 'b', 'c')");
        const valueRenamed = await latest();
        expect(await valuesOf(client)).toEqual([{ f: "c" }]);
        await client.query("select crm.undo_transaction($1)", [valueRenamed?.transaction]);
        expect(await valuesOf(client)).toEqual([{ f: "b" }]);
        const { rows: definitions } = await client.query(
          "select name, enum_values from crm.custom_field_definitions",
        );
        expect(definitions).toEqual([{ name: "f", enum_values: ["a", "b"] }]);

        await client.query(`${change} name = 'g'`);
        const renamed = await latest();
        expect(await valuesOf(client)).toEqual([{ g: "b" }]);

        // What was done under the old name is undone under the new one.
        await client.query("begin");
        await client.query("select crm.undo_entry($1)", [older?.id]);
        expect(await valuesOf(client)).toEqual([{ g: "a" }]);
        await client.query("rollback");
        await client.query("begin");
        await client.query("select crm.undo_field('company', $1, 'customFields.f', $2)", [
          id,
          older?.id,
        ]);
        expect(await valuesOf(client)).toEqual([{ g: "a" }]);
        await client.query("rollback");

        await client.query("select crm.undo_transaction($1)", [renamed?.transaction]);
        expect(await valuesOf(client)).toEqual([{ f: "b" }]);
        await client.query("select crm.undo_entry($1)", [older?.id]);
        expect(await valuesOf(client)).toEqual([{ f: "a" }]);
        expect(await outcome(client.query(write, [`{"f": "a"}`]))).toMatchObject({ code: "23P01" });
      });
    } finally {
      await database.drop();
    }
  });

  test("a merge gives a unique value back to the row that had it", async () => {
    const database = await createTestDatabase();
    try {
      await withConnection(database.ownerUrl, async (client) => {
        await define(client, { is_unique: true });
        const { rows } = await client.query<{ id: string }>(
          `insert into crm.companies (name, custom_fields)
           values ('A', '{}'), ('B', '{"f": "b"}') returning id`,
        );
        const merged = await client.query<{ id: string }>(
          `select (crm.merge_companies($1, array[$2::uuid])).transaction_id as id`,
          rows.map(({ id }) => id),
        );
        expect(await valuesOf(client)).toEqual([{ f: "b" }]);
        await client.query("select crm.undo_transaction($1)", [merged.rows[0]?.id]);
        const { rows: apart } = await client.query(
          "select name, custom_fields from crm.companies order by name",
        );
        expect(apart).toEqual([
          { name: "A", custom_fields: {} },
          { name: "B", custom_fields: { f: "b" } },
        ]);
      });
    } finally {
      await database.drop();
    }
  });
});

describe("of two who write at once", () => {
  /** The second waits for the first; gives what became of it. */
  async function race(open: string, waiting: string): Promise<[unknown, unknown[]]> {
    const database = await createTestDatabase();
    const [first, second] = await Promise.all([
      connect(database.ownerUrl),
      connect(database.ownerUrl),
    ]);
    try {
      await define(first, { field_type: "enum", enum_values: ["a", "b"], is_unique: true });
      await first.query(write, [`{"f": "a"}`]);
      await first.query("begin");
      await first.query(open);
      const late = outcome(second.query(waiting));
      await untilBlocked(database.ownerUrl, second);
      await first.query("commit");
      return [await late, await valuesOf(first)];
    } finally {
      await Promise.all([first.end(), second.end()]);
      await database.drop();
    }
  }
  const b = write.replace("$1", `'{"f": "b"}'`);
  const rename = `${change} name = 'g'`;

  test("the same unique value, the second is refused", async () => {
    expect(await race(b, b)).toEqual([
      expect.objectContaining({ code: "23P01", constraint: "companies_custom_f_unique" }),
      [{ f: "a" }, { f: "b" }],
    ]);
  });

  test("a value by the former name after its field is renamed gets the new one, as one before", async () => {
    expect(await race(rename, b)).toEqual(["done", [{ g: "a" }, { g: "b" }]]);
    expect(await race(b, rename)).toEqual(["done", [{ g: "a" }, { g: "b" }]]);
  });

  test("a value after it is renamed is refused, one before moves along", async () => {
    const renameValue = "select crm.rename_custom_field_value('company', 'f', 'b', 'c')";
    expect(await race(renameValue, b)).toEqual([
      expect.objectContaining({ code: "23514", constraint: "companies_custom_fields_type" }),
      [{ f: "a" }],
    ]);
    expect(await race(b, renameValue)).toEqual(["done", [{ f: "a" }, { f: "c" }]]);
  });
});
