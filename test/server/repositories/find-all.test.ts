import { beforeAll, describe, expect, test } from "@jest/globals";

import { ValidationError } from "../../../server/errors/classes.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { usePool } from "./usePool.ts";

const crm = usePool();
let repositories: Repositories;
let companyId: string;

beforeAll(async () => {
  repositories = createRepositories(crm.pool);
  const company = await repositories.companies.create({ name: "Acme" }, "ada");
  companyId = company.id;
  await repositories.customFieldDefinitions.create(
    { name: "size", label: "Size", entityType: "contact", fieldType: "number" },
    "ada",
  );
  await repositories.contacts.createMany(
    [
      { firstName: "Ada", lastName: "Byron", emails: ["ada@b.de", "a@b.de"], companyId },
      { firstName: "Bob", lastName: "O'Neill", emails: ["bob@b.de"], customFields: { size: 7 } },
      { firstName: "Eve", lastName: 'x"; drop table crm.contacts; --', companyId },
    ],
    "ada",
  );
});

async function names(...args: Parameters<Repositories["contacts"]["findAll"]>): Promise<string[]> {
  const rows = await repositories.contacts.findAll(...args);
  return rows.map(({ firstName }) => firstName).sort();
}

describe("filters", () => {
  test("a value finds the rows that have it", async () => {
    expect(await names({ lastName: 'x"; drop table crm.contacts; --' })).toEqual(["Eve"]);
    expect(await names({ companyId, firstName: "Ada" })).toEqual(["Ada"]);
  });

  test("null finds the rows without a value", async () => {
    expect(await names({ companyId: null })).toEqual(["Bob"]);
  });

  test("several values find the rows that have one of them, none finds no row", async () => {
    expect(await names({ firstName: ["Ada", "Bob", "Carl"] })).toEqual(["Ada", "Bob"]);
    expect(await names({ firstName: [] })).toEqual([]);
  });

  test("lists and objects find the rows that contain them", async () => {
    expect(await names({ emails: ["a@b.de"] })).toEqual(["Ada"]);
    expect(await names({ emails: ["a@b.de", "bob@b.de"] })).toEqual([]);
    expect(await names({ customFields: { size: 7 } })).toEqual(["Bob"]);
    expect(await names({ emails: [] })).toEqual(["Ada", "Bob", "Eve"]);
  });

  test("times find rows to the microsecond", async () => {
    const [first] = await repositories.companies.findAll();
    const { createdAt = "" } = first ?? {};
    expect(await repositories.companies.findAll({ createdAt })).toEqual([first]);
  });

  test.each([
    ["nickname", "x"],
    ["constructor", "x"],
    ['first_name" or true --', "x"],
    ["companyId", "7"],
    ["firstName", undefined],
    ["firstName", ["a\0"]],
    ["firstName", { toString: () => "x" }],
    ["version", ["1"]],
    ["emails", "a@b.de"],
    ["companyId", [null]],
  ])("%s is refused with a value like %j", async (field, value) => {
    await expect(repositories.contacts.findAll({ [field]: value })).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { [field]: [expect.any(String)] },
    });
  });
});

describe("pages", () => {
  beforeAll(async () => {
    const notes = Array.from({ length: 1001 }, (_, index) => ({
      content: `note ${index}`,
      entityType: "company" as const,
      entityId: companyId,
    }));
    await repositories.notes.createMany(notes, "ada");
  });

  test("together have every row once, by offset and by cursor", async () => {
    const byOffset: string[] = [];
    const byCursor: string[] = [];
    let after: { createdAt: string; id: string } | undefined;
    for (let offset = 0; offset <= 1001; offset += 400) {
      const page = await repositories.notes.findAll({}, { limit: 400, offset });
      byOffset.push(...page.map(({ id }) => id));
      const next = await repositories.notes.findAll({}, { limit: 400, after });
      byCursor.push(...next.map(({ id }) => id));
      after = next.at(-1);
    }
    expect(new Set(byOffset).size).toBe(1001);
    expect(byCursor).toEqual(byOffset);
  });

  test("are asked for where a list is too long: it is never cut without a word", async () => {
    const all = repositories.notes.findAll({ entityId: companyId });
    await expect(all).rejects.toThrow(ValidationError);
    await expect(all).rejects.toMatchObject({ fields: { pagination: [expect.any(String)] } });
  });

  test.each([
    [{ limit: -1 }, "limit"],
    [{ limit: 1001 }, "limit"],
    [{ limit: 1.5 }, "limit"],
    [{ limit: "5" }, "limit"],
    [{}, "limit"],
    [{ limit: 1, offset: -1 }, "offset"],
    [{ limit: 1, offset: NaN }, "offset"],
    [{ limit: 1, after: { id: "7", createdAt: "now" } }, "after"],
    [{ limit: 1, after: {} }, "after"],
  ])("%j is refused for its %s", async (pagination, field) => {
    await expect(repositories.notes.findAll({}, pagination as never)).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { [field]: [expect.any(String)] },
    });
  });

  test("may be empty", async () => {
    expect(await repositories.notes.findAll({}, { limit: 0 })).toEqual([]);
  });
});
