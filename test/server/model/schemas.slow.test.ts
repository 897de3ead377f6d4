import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";
import type { z } from "zod";

import { withConnection } from "../../../server/postgres/connect.ts";
import { customFieldsSchema } from "../../../server/model/custom-fields.ts";
import { type Fields, ValidationError } from "../../../server/errors/classes.ts";
import type {
  CreateCustomFieldDefinition,
  CustomFieldDefinition,
} from "../../../server/model/generated/rows.ts";
import { tables } from "../../../server/model/generated/tables.ts";
import { createPool, inTransaction } from "../../../server/postgres/pool.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { createRepository } from "../../../server/repositories/repository.ts";
import {
  createTypeSchemas,
  createSchemas,
  type EntityName,
  parse,
  updateTypeSchemas,
  updateSchemas,
} from "../../../server/model/schemas.ts";
import type { Table } from "../../../server/model/tables.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { type Input, inputsOf, type References } from "./inputs.ts";

const entities = Object.keys(createSchemas) as EntityName[];
const runs = { numRuns: 120 };
const patience = 180_000;

/** One id for a contact, a company and a deal, so that every entity type can be attached to. */
const id = randomUUID();
const links: References = { companyId: id, contactId: id, entityId: id, stage: "Won" };

/** No rate is of the base currency, which is for the database to know. */
const referencesOf = (entity: EntityName): References =>
  entity === "exchangeRate" ? { currency: "EUR" } : links;

let database: TestDatabase;
let pool: pg.Pool;
let repositories: Repositories;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ connectionString: database.serverUrl, max: 2 });
  repositories = createRepositories(pool, { role: "crm_admin" });
  await withConnection(database.ownerUrl, async (client) => {
    await client.query("insert into crm.companies (id, name) values ($1, 'Acme')", [id]);
    await client.query(
      "insert into crm.contacts (id, first_name, last_name) values ($1, 'Ada', 'Byron')",
      [id],
    );
    await client.query(
      `insert into crm.deals (id, title, company_id, value, stage)
       values ($1, 'Engine', $1, 1, 'Won')`,
      [id],
    );
  });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe.each(entities)("%s", (entity) => {
  test(
    "a new row's input is refused by its schema exactly where the database refuses it",
    async () => {
      const repository = createRepository(pool, entity);
      await fc.assert(
        fc.asyncProperty(inputsOf(entity, "create", referencesOf(entity)), async (input) => {
          let stored = await attempt((client) => repository.create(input as never, "ada", client));
          stored = without(stored, "required", "existing"); // other rows lack a value
          stored = withoutUnknowable(stored, entity, input, "create");
          if (entity === "deal" && input.stage == null && input.probability == null)
            stored = without(stored, "probability", "is required"); // is the stage's
          compare(input, createSchemas[entity], createTypeSchemas[entity], stored);
        }),
        runs,
      );
    },
    patience,
  );

  test(
    "a change is refused by its schema exactly where the database refuses it",
    async () => {
      const repository = createRepository(pool, entity);
      const row = example(entity);
      await fc.assert(
        fc.asyncProperty(
          inputsOf(entity, "update", { ...referencesOf(entity), version: 1 }),
          async (input) => {
            let stored = await attempt(async (client) => {
              const { id } = await repository.create(row as never, "ada", client);
              return repository.update(id, input, "ada", client);
            });
            stored = without(stored, "required", "existing"); // other rows lack a value
            stored = withoutUnknowable(stored, entity, input, "update");
            compare(input, updateSchemas[entity], updateTypeSchemas[entity], stored);
          },
        ),
        runs,
      );
    },
    patience,
  );
});

test(
  "custom fields are refused by their schema exactly where the database refuses them",
  async () => {
    const enumValues = ["", "a", "O'Neill", '"', "é", "\u{1f600}"].map((value) => `${value}!`);
    const many = Array.from({ length: 22 }, (_, index) => `v${index}`);
    const shared = { entityType: "company", enumValues: null, required: false } as const;
    const data: CreateCustomFieldDefinition[] = [
      { ...shared, name: "text", label: "Text", fieldType: "text" },
      { ...shared, name: "number", label: "Number", fieldType: "number" },
      { ...shared, name: "date", label: "Date", fieldType: "date" },
      { ...shared, name: "boolean", label: "Boolean", fieldType: "boolean" },
      { ...shared, name: "enum", label: "Enum", fieldType: "enum", enumValues },
      { ...shared, name: "many", label: "Many", fieldType: "enum", enumValues: many },
      { ...shared, name: "short", label: "Short", fieldType: "text", maxLength: 2 },
      {
        ...{ ...shared, name: "between", label: "Between", fieldType: "number" },
        ...{ minimum: "-1.5", maximum: "0.30000000000000001" },
      },
      {
        ...{ ...shared, name: "days", label: "Days", fieldType: "date" },
        ...{ minimum: "1999-12-31", maximum: "2024-02-29" },
      },
      { ...shared, name: "several", label: "Several", fieldType: "multi_enum", enumValues },
      {
        ...{ ...shared, name: "filled", label: "Filled", fieldType: "text" },
        ...{ maxLength: 1, defaultValue: "x" },
      },
    ];
    const definitions: CustomFieldDefinition[] = [];
    for (const definition of data) {
      definitions.push(await repositories.customFieldDefinitions.create(definition, "ada"));
    }
    await repositories.companies.update(id, { customFields: { text: "x" } }, "ada");
    const [text] = definitions;
    const required = await repositories.customFieldDefinitions.update(
      text?.id ?? "",
      { required: true },
      "ada",
    );
    const customFields = customFieldsSchema([required, ...definitions.slice(1)]);
    const schema = createSchemas.company.extend({ customFields });

    const value = fc.oneof(
      fc.constantFrom<unknown>(
        ...["x", "", "a!", "v21", "\u{1f600}!", "x".repeat(10_000), "\u{1f600}".repeat(10_000)],
        ...["x".repeat(10_001), 0, -1.5, Number.MAX_VALUE, Number.MIN_VALUE, true, false, null, []],
        ...["2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "2024-02-29 ", {}, ["a!"]],
        ...["2024-03-01", "1999-12-31", "1999-12-30", "2000-01-01", -1.6, -1.50001, 0.3, 0.31],
        ...["xx", "xxx", "\u{1f600}\u{1f600}", ["a!", '"!'], ["a!", "a!"], [["a!"]], ["a!", null]],
      ),
      fc.string({ unit: "binary" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    const names = [
      ...["text", "number", "date", "boolean", "enum", "many", "other", "__proto__", ""],
      ...["short", "between", "days", "several", "filled"],
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 7 }),
        async (customFields) => {
          const input = { name: "Acme", customFields };
          const stored = await attempt((client) =>
            repositories.companies.create(input as never, "ada", client),
          );
          compare(input, schema, createTypeSchemas.company, stored);
        },
      ),
      runs,
    );
  },
  patience,
);

test("an input that is no object is refused", () => {
  for (const input of [null, undefined, 7, "x", []]) {
    expect(faultsOf(createSchemas.contact, input)).toEqual({ input: ["must be an object"] });
  }
});

test("a key that no column has, and one that clients may not set, are refused by name", () => {
  const contact = { firstName: "Ada", lastName: "Byron", id, createdBy: "eve", nickname: "A" };
  const message = "is not a field that can be given here";
  expect(faultsOf(createSchemas.contact, contact)).toEqual({
    id: [message],
    createdBy: [message],
    nickname: [message],
  });
});

/** The fields that the database, or the form that is needed to ask it, refuses; nothing is kept. */
async function attempt(write: (client: pg.PoolClient) => Promise<unknown>): Promise<Fields> {
  let fields: Fields = {};
  const rolledBack = new Error("rolled back");
  await inTransaction(pool, { role: "crm_admin", userId: "ada" }, async (client) => {
    try {
      await write(client);
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      fields = { ...error.fields };
    }
    throw rolledBack;
  }).catch((error: unknown) => {
    if (error !== rolledBack) throw error;
  });
  return fields;
}

/**
 * Where an input has the form that the database reads, both verdicts are the same, field by field
 * and word for word.
 */
function compare(input: Input, schema: z.ZodType, form: z.ZodType, stored: Fields): void {
  const found = faultsOf(schema, input);
  const unreadable = Object.entries(faultsOf(form, input));
  for (const [field, messages] of unreadable) {
    expect(found[field]).toEqual(expect.arrayContaining(messages));
  }
  if (unreadable.length === 0) expect(sorted(found)).toEqual(sorted(stored));
}

function faultsOf(schema: z.ZodType, input: unknown): Fields {
  try {
    parse(schema, input);
    return {};
  } catch (error) {
    if (error instanceof ValidationError) return error.fields;
    throw error;
  }
}

function sorted(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([field, messages]) => [field, [...messages].sort()]),
  );
}

/** The same faults without the messages of a field that begin so. */
function without(fields: Fields, field: string, beginning: string): Fields {
  const rest = Object.entries(fields).map(([name, messages]): [string, string[]] => [
    name,
    messages.filter((message) => name !== field || !message.startsWith(beginning)),
  ]);
  return Object.fromEntries(rest.filter(([, messages]) => messages.length > 0));
}

/**
 * The same faults without those that only the database is asked of, and without those of rules of
 * which half is about what the row holds already.
 */
function withoutUnknowable(
  fields: Fields,
  entity: EntityName,
  input: Input,
  operation: "create" | "update",
): Fields {
  const { checks }: Table = tables[entity];
  const messages = checks
    .filter((check) => {
      if (check.rule === "database") return true;
      return operation === "update" && "other" in check
        ? !(check.field in input && check.other in input)
        : false;
    })
    .map(({ field, message }) => ({ field, ending: message.replace("%s", "") }));
  const rest = Object.entries(fields).map(([name, found]): [string, string[]] => [
    name,
    found.filter((text) =>
      messages.every(({ field, ending }) => field !== name || !text.endsWith(ending)),
    ),
  ]);
  return Object.fromEntries(rest.filter(([, found]) => found.length > 0));
}

function example(entity: EntityName): Input {
  const attached = { entityType: "deal", entityId: id };
  const examples: Record<EntityName, Input> = {
    contact: { firstName: "Ada", lastName: "Byron" },
    company: { name: "Acme" },
    deal: { title: "Engine", companyId: id, value: "1", stage: "Won" },
    task: { description: "Call", ...attached },
    note: { content: "Called", ...attached },
    customFieldDefinition: {
      name: "industry",
      label: "Industry",
      entityType: "deal",
      fieldType: "enum",
      enumValues: ["a"],
    },
    pipelineStage: { name: "Engaging" },
    exchangeRate: { currency: "EUR", validFrom: "2026-01-01", rate: "1.1" },
  };
  return examples[entity];
}
