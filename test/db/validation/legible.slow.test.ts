import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { hasHidden, isBlank, isLegible, isPrintable } from "../../../server/model/rules.ts";
import { createSchemas, userIdSchema } from "../../../server/model/schemas.ts";
import { withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

/* One definition of what is blank and of what a text may hold, in SQL and in the schemas alike. */

const texts = (client: pg.Client, list: string[]) =>
  client
    .query<{ blank: boolean; legible: boolean; ruly: boolean }>(
      `select crm_private.is_blank(value) as blank, crm_private.is_legible(value) as legible,
         crm_private.is_printable(value) as ruly
       from unnest($1::text[]) with ordinality as given (value, place) order by place`,
      [list],
    )
    .then(({ rows }) => rows);

test(
  "SQL and the schemas agree on every character, alone and between letters",
  () =>
    withRollback(async (client) => {
      const codes = Array.from({ length: 0x10ffff }, (_, index) => index + 1).filter(
        (code) =>
          (code < 0xd800 || code > 0xdfff) && (code < 0x3000 || code > 0xd7ff || code % 16 === 0),
      );
      for (let from = 0; from < codes.length; from += 100_000) {
        const part = codes.slice(from, from + 100_000).map((code) => String.fromCodePoint(code));
        const list = part.flatMap((character) => [character, `a${character}b`]);
        const found = await texts(client, list);
        const differing = list.filter((text, index) => {
          const { blank, legible, ruly } = found[index] ?? {};
          return blank !== isBlank(text) || legible !== isLegible(text) || ruly !== isPrintable(text);
        });
        expect(differing).toEqual([]);
      }
    }),
  60_000,
);

test(
  "they agree on any text made of what matters",
  () =>
    withRollback(async (client) => {
      const unit = fc.constantFrom(
        "a",
        "ä",
        "中",
        "م",
        "्",
        " ",
        "\u00a0",
        "\u2800",
        "\n",
        "\t",
        "\u200b",
        "\u200c",
        "\u200d",
        "\u200e",
        "\u202e",
        "\u2066",
        "\u00ad",
        "\u180e",
        "\u180b",
        "\ufe0f",
        "\u{e0100}",
        "\u{1f3f4}",
        "\u{e0067}",
        "\u{e007f}",
        "\u{1f468}",
      );
      await fc.assert(
        fc.asyncProperty(fc.array(unit, { maxLength: 12 }), async (units) => {
          const text = units.join("");
          expect(await texts(client, [text])).toEqual([
            { blank: isBlank(text), legible: isLegible(text), ruly: isPrintable(text) },
          ]);
        }),
        { numRuns: 1000 },
      );
    }),
  60_000,
);

test("everything that Unicode says is ignored by default, or is a control, is hidden", () => {
  const missing: string[] = [];
  for (let code = 1; code <= 0x10ffff; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const character = String.fromCodePoint(code);
    const isIgnored =
      /^[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Noncharacter_Code_Point}\p{Cc}\p{Zl}\p{Zp}]$/u.test(
        character,
      );
    if (isIgnored && !hasHidden(character)) missing.push(code.toString(16));
    if (/^\s$/u.test(character) && !isBlank(character)) missing.push(code.toString(16));
  }
  expect(missing).toEqual([]);
});

/** What people write. */
const real = [
  "Ada Lovelace",
  "O’Neill & Söhne",
  "می‌خواهم", // Persian, with a non-joiner
  "श्रीमान्‌जी",
  "രാജന്‍", // Malayalam, with a joiner at the end
  "ක්‍රිෂ්ණා", // Sinhala
  "❤️",
  "👨‍👩‍👧‍👦 & Co.",
  "👁️‍🗨️ Witness",
  "🏴󠁧󠁢󠁳󠁣󠁴󠁿 Scotland",
  "1️⃣ First",
  "葛󠄀城", // with a variant of an ideograph
  "עברית",
  "明日の東京会議",
  "Two  spaces",
  "a\u00a0b",
];
/** What shows nothing, or something else than it is. */
const alone = [
  "\u202e",
  "\u00ad",
  "\u200e",
  "\u3164",
  "\u2800",
  "\u200b",
  "\ufeff",
  "\u115f",
  "\uffa0",
  "\u034f",
  "\u2060",
  "\u180e",
  "\ufe0f",
  "\u{e0041}",
  "\u0007",
  "\u0085",
  "\u061c",
  "\u2066",
  "\u{1d173}",
  "\u2028",
  "\n",
  "\t",
  " ",
  "\u3000",
  "",
];
const within = [
  "a\u202eb",
  "a\u00adb",
  "a\u200eb",
  "a\u200bb",
  "a\ufeffb",
  "\u200da",
  "a\u200d",
  "a \u200db",
  "a\u200d\u200db",
  "a\ufe0f\ufe0f",
  "\ufe0fa",
  "a\u0007",
  "a\nb",
  "a\tb",
  "a\u2066b\u2069",
  "a\u3164b",
  "a\u{e0041}",
  "db\u0000".slice(0, 2) + "\u0001",
];

test("names of any script can be written; nothing that cannot be seen hides in one", () =>
  withRollback(async (client) => {
    for (const name of real) {
      expect({ name, legible: isLegible(name), blank: isBlank(name) }).toEqual({
        name,
        legible: true,
        blank: false,
      });
      await client.query("insert into crm.companies (name) values ($1)", [name]);
      expect(createSchemas.company.safeParse({ name }).success).toBe(true);
    }
    for (const name of [...alone, ...within]) {
      expect({
        name,
        ...(await refusal(client, "insert into crm.companies (name) values ($1)", [name])),
      }).toMatchObject({ name, code: "23514", fields: { name: expect.any(Array) } });
      expect(createSchemas.company.safeParse({ name }).success).toBe(false);
    }
  }));

describe("every text", () => {
  /** What writes a text to each place where there is one, with the field that is told. */
  const places: [string, string, boolean][] = [
    ["firstName", "insert into crm.contacts (first_name, last_name) values ($1, 'L')", false],
    ["lastName", "insert into crm.contacts (first_name, last_name) values ('F', $1)", false],
    [
      "ownerId",
      "insert into crm.contacts (first_name, last_name, owner_id) values ('F', 'L', $1)",
      false,
    ],
    [
      "phones.0",
      "insert into crm.contacts (first_name, last_name, phones) values ('F', 'L', array[$1])",
      false,
    ],
    [
      "externalIds.0",
      "insert into crm.contacts (first_name, last_name, external_ids) values ('F', 'L', array[row('erp', $1)::crm.external_id])",
      false,
    ],
    [
      "externalIds.0",
      "insert into crm.companies (name, external_ids) values ('C', array[row($1, '1')::crm.external_id])",
      false,
    ],
    ["name", "insert into crm.companies (name) values ($1)", false],
    ["ownerId", "insert into crm.companies (name, owner_id) values ('C', $1)", false],
    [
      "title",
      "insert into crm.deals (title, company_id, value, stage) select $1, id, 1, 'Won' from crm.companies",
      false,
    ],
    [
      "ownerId",
      "insert into crm.deals (title, company_id, value, stage, owner_id) select 'D', id, 1, 'Won', $1 from crm.companies",
      false,
    ],
    [
      "assignedTo",
      "insert into crm.tasks (description, entity_type, entity_id, assigned_to) select 'T', 'company', id, $1 from crm.companies",
      false,
    ],
    [
      "description",
      "insert into crm.tasks (description, entity_type, entity_id) select $1, 'company', id from crm.companies",
      true,
    ],
    [
      "content",
      "insert into crm.notes (content, entity_type, entity_id) select $1, 'company', id from crm.companies",
      true,
    ],
    ["name", "insert into crm.pipeline_stages (name) values ($1)", false],
    [
      "label",
      "insert into crm.custom_field_definitions (name, label, entity_type, field_type) values ('x', $1, 'deal', 'text')",
      false,
    ],
    [
      "description",
      "insert into crm.custom_field_definitions (name, label, description, entity_type, field_type) values ('x', 'X', $1, 'deal', 'text')",
      true,
    ],
    [
      "enumValues.0",
      "insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values) values ('x', 'X', 'deal', 'enum', array[$1])",
      false,
    ],
    [
      "customFields.needed",
      "insert into crm.companies (name, custom_fields) values ('C', jsonb_build_object('needed', $1::text))",
      true,
    ],
  ];

  test.each(places)("%s of: %s", (field, statement, isLong) =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.companies (name) values ('Acme');
         insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('needed', 'Needed', 'company', 'text');
         update crm.companies set custom_fields = '{"needed": "x"}';
         update crm.custom_field_definitions set required = ${field === "customFields.needed"}`,
      );
      for (const text of alone) {
        expect({ text, ...(await refusal(client, statement, [text])) }).toMatchObject({
          text,
          code: "23514",
          fields: { [field]: expect.any(Array) },
        });
      }
      const bad = isLong ? ["a\u0007b", "a\u202eb", "a\u2066b", "a\u001b[0m", "a\u0085b"] : within;
      for (const text of bad) {
        expect({ text, ...(await refusal(client, statement, [text])) }).toMatchObject({
          text,
          code: "23514",
          fields: { [field]: expect.any(Array) },
        });
      }
      for (const text of isLong
        ? ["two\nlines\r\n\tindented", "soft\u00adhyphen", "می‌خواهم"]
        : ["می‌خواهم", "👨‍👩‍👧"]) {
        await client.query("savepoint one");
        await client.query(statement, [text]);
        await client.query("rollback to savepoint one");
      }
    }),
  );

  test("of an address, and an optional custom field, which may be empty", () =>
    withRollback(async (client) => {
      const address =
        "insert into crm.companies (name, address) values ('C', jsonb_build_object('street', $1::text))";
      for (const text of ["a\u0007b", "a\u202eb", "a\u0085b"]) {
        expect(await refusal(client, address, [text])).toMatchObject({
          code: "23514",
          fields: { "address.street": [expect.any(String)] },
        });
      }
      await client.query(address, ["House 3\nMain Street"]);
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('hint', 'Hint', 'company', 'text')`,
      );
      const custom =
        "insert into crm.companies (name, custom_fields) values ('C', jsonb_build_object('hint', $1::text))";
      for (const text of alone.filter((one) => one !== "")) {
        expect(await refusal(client, custom, [text])).toMatchObject({
          fields: { "customFields.hint": expect.any(Array) },
        });
      }
      await client.query(custom, [""]);
      expect(
        await refusal(client, "update crm.custom_field_definitions set required = true"),
      ).toMatchObject({ code: "23514", fields: { required: expect.any(Array) } });
    }));

  test("of the auditLog: who writes", () =>
    withRollback(async (client) => {
      await client.query("select set_config('crm.user_id', 'ann' || U&'\\202E', true)");
      expect(await refusal(client, "insert into crm.companies (name) values ('C')")).toMatchObject({
        code: "23514",
        constraint: "audit_logs_user_id_legible",
      });
      for (const user of [
        "ann\u202e",
        "\u200bkey:x",
        " db:x",
        "\u2800KEY:x",
        "a\u200db",
        "\u3164",
      ]) {
        expect({ user, ok: userIdSchema.safeParse(user).success }).toEqual({ user, ok: false });
      }
    }));

  test("has its rule", () =>
    withRollback(async (client) => {
      const { rows } = await client.query<{ name: string }>(
        `select format('%s.%s', class.relname, attribute.attname) as name
         from pg_attribute as attribute
         join pg_class as class on class.oid = attribute.attrelid
         where class.relnamespace = 'crm'::regnamespace and class.relkind in ('r', 'p')
           and attribute.attnum > 0 and not attribute.attisdropped and attribute.attgenerated = ''
           and attribute.atttypid::regtype::text in ('text', 'text[]', 'crm.external_id[]')
           and attribute.attname <> all ('{created_by,updated_by}' || crm_private.derived_columns())
           and not exists (
             select from pg_constraint as con
             where con.conrelid = class.oid and con.contype in ('c', 'f')
               and attribute.attnum = any (con.conkey)
               and (con.contype = 'f' or con.conname ~ '_(legible|known|format|valid)$')
           )
         order by 1`,
      );
      // The audit log's columns are the database's, but for who writes; a prefix is made of digits.
      expect(rows.map(({ name }) => name)).toEqual([
        "api_keys.prefix",
        "audit_logs.entity_type",
      ]);
    }));
});
