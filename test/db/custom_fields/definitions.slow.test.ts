import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase, withRollback } from "../../helpers/database.ts";
import { describe as describeRefusal, refusal, type Refusal } from "../../helpers/refusal.ts";

async function define(
  client: pg.Client,
  name: string,
  fieldType: string,
  options: { required?: boolean; values?: string[]; entityType?: string } = {},
): Promise<void> {
  await client.query(
    `insert into crm.custom_field_definitions
       (name, label, entity_type, field_type, required, enum_values)
     values ($1, $1, $2, $3, $4, $5)`,
    [
      name,
      options.entityType ?? "company",
      fieldType,
      options.required ?? false,
      options.values ?? null,
    ],
  );
}

const write = "insert into crm.companies (name, custom_fields) values ('Acme', $1)";

describe.each([
  [
    "text",
    undefined,
    [`"a"`, `""`, `"'\\"%\\\\ 𝄞"`],
    [`1`, `true`, `{}`, `[]`, `"${"x".repeat(10001)}"`],
  ],
  [
    "number",
    undefined,
    [`0`, `-1.5`, `1e300`, `123456789012345678901234567890.123`],
    [`"1"`, `true`, `[1]`, `1e500`],
  ],
  [
    "date",
    undefined,
    [
      `"2024-02-29"`,
      `"2000-02-29"`,
      `"0001-01-01"`,
      `"9999-12-31"`,
      `"0004-02-29"`,
      `"2026-11-30"`,
    ],
    [
      `"2026-02-29"`,
      `"1900-02-29"`,
      `"0000-01-01"`,
      `"0000-02-29"`,
      `"2026-13-01"`,
      `"2026-00-10"`,
      `"2026-04-31"`,
      `"2026-02-30"`,
      `"2026-1-1"`,
      `"10000-01-01"`,
      `"today"`,
      `"infinity"`,
      `20260101`,
      `"2026-01-01T00:00:00Z"`,
      `"٢٠٢٦-01-01"`,
      `"2026-01-01\\n"`,
      `""`,
    ],
  ],
  ["enum", ["a", "b c", `"q"`], [`"a"`, `"b c"`, `"\\"q\\""`], [`"A"`, `""`, `1`, `["a"]`]],
  [
    "multi_enum",
    ["a", "b c", `"q"`],
    [`["a"]`, `["\\"q\\"", "a", "b c"]`],
    [
      ...[`"a"`, `[]`, `["A"]`, `["a", "a"]`, `["a", "x"]`, `["a", null]`, `[["a"]]`, `[1]`, `{}`],
      ...[`{"a": 1}`, `["a", "b c", "\\"q\\"", "a"]`, `1`],
    ],
  ],
  ["boolean", undefined, [`true`, `false`], [`"true"`, `0`, `{}`]],
] as [string, string[] | undefined, string[], string[]][])(
  "a %s field",
  (type, values, good, bad) => {
    test.each(good)("takes %s", (value) =>
      withRollback(async (client) => {
        await define(client, "f", type, { values });
        await client.query(write, [`{"f": ${value}}`]);
      }),
    );

    test.each(bad)("refuses %s", (value) =>
      withRollback(async (client) => {
        await define(client, "f", type, { values });
        expect(await refusal(client, write, [`{"f": ${value}}`])).toMatchObject({
          code: "23514",
          constraint: "companies_custom_fields_type",
          column: "custom_fields",
          fields: { "customFields.f": [expect.any(String)] },
        });
      }),
    );

    test("set to null is removed", () =>
      withRollback(async (client) => {
        await define(client, "f", type, { values });
        const { rows } = await client.query(`${write} returning custom_fields`, [`{"f": null}`]);
        expect(rows).toEqual([{ custom_fields: {} }]);
      }));
  },
);

test("a field belongs to its entity type only", () =>
  withRollback(async (client) => {
    await define(client, "f", "text", { entityType: "contact" });
    expect(await refusal(client, write, [`{"f": "a"}`])).toMatchObject({
      constraint: "companies_custom_fields_known",
    });
  }));

test("a required field must have a value, on insert and ever after", () =>
  withRollback(async (client) => {
    await define(client, "f", "text", { required: true });
    for (const value of [`{}`, `{"f": null}`]) {
      expect(await refusal(client, write, [value])).toMatchObject({
        constraint: "companies_custom_fields_required",
        fields: { "customFields.f": ["is required"] },
      });
    }
    await client.query(write, [`{"f": "a"}`]);
    expect(await refusal(client, "update crm.companies set custom_fields = '{}'")).toMatchObject({
      constraint: "companies_custom_fields_required",
    });
  }));

describe("a change that existing rows contradict is refused with their count", () => {
  test.each([
    [
      "a new required field",
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type, required) values ('g', 'G', 'company', 'text', true)`,
      "required",
      "3",
    ],
    [
      "a field that becomes required",
      "update crm.custom_field_definitions set required = true",
      "required",
      "1",
    ],
    [
      "another type",
      "update crm.custom_field_definitions set field_type = 'number', enum_values = null",
      "fieldType",
      "2",
    ],
    [
      "a value less",
      "update crm.custom_field_definitions set enum_values = '{a,c}'",
      "enumValues",
      "1",
    ],
  ])("%s", (_, statement, field, count) =>
    withRollback(async (client) => {
      await define(client, "f", "enum", { values: ["a", "b"] });
      for (const value of [`{"f": "a"}`, `{"f": "b"}`, `{}`]) await client.query(write, [value]);
      const refused = await refusal(client, statement);
      expect(refused).toMatchObject({
        code: "23514",
        constraint: "custom_field_definitions_values_hold",
        fields: { [field]: [expect.stringContaining(`: ${count}`)] },
      });
    }),
  );

  test("and done where none does", () =>
    withRollback(async (client) => {
      await define(client, "f", "enum", { values: ["a", "b"] });
      await client.query(write, [`{"f": "a"}`]);
      await client.query(
        "update crm.custom_field_definitions set enum_values = '{a}', required = true",
      );
      await client.query(
        "update crm.custom_field_definitions set field_type = 'text', enum_values = null",
      );
      await client.query(write, [`{"f": "anything"}`]);
    }));
});

test("a deleted definition takes its values from every row, and only its own", () =>
  withRollback(async (client) => {
    await define(client, "f", "text");
    await define(client, "g", "text");
    await client.query(write, [`{"f": "a", "g": "b"}`]);
    await client.query(write, [`{"g": "b"}`]);
    await client.query("delete from crm.custom_field_definitions where name = 'f'");
    const { rows } = await client.query(
      "select custom_fields, version from crm.companies order by version",
    );
    expect(rows).toEqual([
      { custom_fields: { g: "b" }, version: 1 },
      { custom_fields: { g: "b" }, version: 2 },
    ]);
    expect(await refusal(client, write, [`{"f": "a"}`])).toMatchObject({
      constraint: "companies_custom_fields_known",
    });
  }));

test("many definitions change in one statement", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
       select 'f' || i, 'F', entity_type, 'number'
       from generate_series(1, 100) as i, unnest('{contact,company,deal}'::text[]) as entity_type`,
    );
    await client.query(write, [`{"f1": 1, "f100": 2}`]);
    expect((await refusal(client, write, [`{"f1": "1", "f100": "2", "f101": 1}`])).fields).toEqual({
      "customFields.f1": [expect.any(String)],
      "customFields.f100": [expect.any(String)],
      "customFields.f101": [expect.any(String)],
    });
    await client.query("delete from crm.custom_field_definitions");
    const { rows } = await client.query("select custom_fields from crm.companies");
    expect(rows).toEqual([{ custom_fields: {} }]);
  }));

test("a definition keeps its entity type", () =>
  withRollback(async (client) => {
    await define(client, "f", "text");
    expect(
      await refusal(client, "update crm.custom_field_definitions set entity_type = 'deal'"),
    ).toMatchObject({
      code: "23514",
      column: "entity_type",
      constraint: "custom_field_definitions_entity_type_immutable",
      fields: { entityType: ["cannot be changed"] },
    });
  }));

test.each([
  ["name", `{"name": "1f"}`],
  ["name", `{"name": "f-g"}`],
  ["name", `{"name": ""}`],
  ["name", `{"name": "${"f".repeat(101)}"}`],
  ["label", `{"label": " "}`],
  ["label", `{"label": "${"f".repeat(256)}"}`],
  ["entityType", `{"entity_type": "task"}`],
  ["fieldType", `{"field_type": "json"}`],
  ["enumValues", `{"field_type": "enum"}`],
  ["enumValues", `{"field_type": "enum", "enum_values": []}`],
  ["enumValues", `{"field_type": "enum", "enum_values": ["a", "a"]}`],
  ["enumValues.1", `{"field_type": "enum", "enum_values": ["a", " "]}`],
  ["enumValues", `{"field_type": "enum", "enum_values": ["a", null]}`],
  ["enumValues.0", `{"field_type": "enum", "enum_values": ["${"f".repeat(256)}"]}`],
  ["enumValues", `{"enum_values": ["a"]}`],
])("a definition with a faulty %s is refused: %s", (field, overrides) =>
  withRollback(async (client) => {
    const refused = await refusal(
      client,
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
       select name, label, entity_type, field_type, enum_values
       from jsonb_populate_record(null::crm.custom_field_definitions,
         '{"name": "f", "label": "F", "entity_type": "deal", "field_type": "text"}' || $1::jsonb)`,
      [overrides],
    );
    expect({ code: refused.code, fields: Object.keys(refused.fields ?? {}) }).toEqual({
      code: "23514",
      fields: [field],
    });
  }),
);

test("two definitions of an entity type cannot share a name", () =>
  withRollback(async (client) => {
    await define(client, "f", "text");
    await define(client, "f", "text", { entityType: "deal" });
    await expect(define(client, "f", "number")).rejects.toMatchObject({
      code: "23505",
      constraint: "custom_field_definitions_name_unique",
    });
  }));

describe("an entity type", () => {
  const many = (count: number, prefix = "f", entityType = "deal") =>
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     select '${prefix}' || i, 'F', '${entityType}', 'text' from generate_series(1, ${count}) as i`;
  const full = (most: number) => ({
    code: "23514",
    column: "entity_type",
    constraint: "custom_field_definitions_entity_type_full",
    fields: { entityType: [`may have at most ${most} custom fields`] },
  });

  test("has at most 200 custom fields, whoever defines them; they can still be changed", () =>
    withRollback(async (client) => {
      expect(await refusal(client, many(201))).toMatchObject(full(200));
      await client.query(many(200));
      await client.query(many(1, "f", "contact"));
      expect(await refusal(client, many(1, "g"))).toMatchObject(full(200));
      await client.query("update crm.custom_field_definitions set label = 'G'");
      await client.query("delete from crm.custom_field_definitions where name = 'f1'");
      await client.query(many(1, "g"));
    }));

  test("has as many as the owner of the database allows, and no session allows itself more", async () => {
    const database = await createTestDatabase();
    try {
      const name = new URL(database.ownerUrl).pathname.slice(1);
      const attempt = () =>
        withRollback(async (client) => {
          await client.query("set crm.max_custom_fields = 1000");
          return refusal(client, many(4));
        }, database.ownerUrl);
      await withConnection(database.ownerUrl, (client) =>
        client.query(`alter database ${name} set crm.max_custom_fields = 3`),
      );
      expect(await attempt()).toMatchObject(full(3));
      await withConnection(database.ownerUrl, (client) =>
        client.query(`alter database ${name} set crm.max_custom_fields = 4`),
      );
      await expect(attempt()).rejects.toThrow("was not refused");
    } finally {
      await database.drop();
    }
  });

  test("has no more where two define the last one at once", async () => {
    const database = await createTestDatabase();
    try {
      await withConnection(database.ownerUrl, async (first) => {
        await first.query(many(199));
        await withConnection(database.ownerUrl, async (second) => {
          await first.query("begin");
          await first.query(many(1, "g"));
          const late = refusalOf(second.query(many(1, "h")));
          await first.query("commit");
          expect(await late).toMatchObject(full(200));
        });
      });
    } finally {
      await database.drop();
    }
  });
});

/** What a statement is refused with. */
async function refusalOf(statement: Promise<unknown>): Promise<Refusal> {
  return statement.then(() => {
    throw new Error("was not refused");
  }, describeRefusal);
}
