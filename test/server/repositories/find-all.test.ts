import { beforeAll, describe, expect, test } from "@jest/globals";

import { ValidationError } from "../../../server/errors/classes.ts";
import type { Filter } from "../../../server/repositories/filters.ts";
import type { OrderBy } from "../../../server/repositories/orders.ts";
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
      {
        ...{ firstName: "Ada", lastName: "Byron", companyId, phones: ["+49 30 1234567"] },
        emails: ["ada@b.de", "a@b.de"],
        externalIds: [{ source: "erp", id: "1" }],
      },
      {
        ...{ firstName: "Bob", lastName: "O'Neill", emails: ["Bob@B.de"] },
        customFields: { size: 7 },
      },
      { firstName: "Eve", lastName: 'x"; drop table crm.contacts; --', companyId, ownerId: "ada" },
    ],
    "ada",
  );
  const [ada] = await repositories.contacts.findAll({ firstName: { equalTo: "Ada" } });
  const deal = { companyId, contactId: ada?.id ?? "", value: "10", stage: "Proposal" };
  await repositories.deals.createMany(
    [
      { ...deal, title: "Engine" },
      { ...deal, title: "Loom", stage: "Prospecting", value: "20.5" },
    ],
    "ada",
  );
});

async function names(...args: Parameters<Repositories["contacts"]["findAll"]>): Promise<string[]> {
  const rows = await repositories.contacts.findAll(...args);
  return rows.map(({ firstName }) => firstName).sort();
}

describe("filters", () => {
  test.each<[Filter<"contact">, string[]]>([
    [{}, ["Ada", "Bob", "Eve"]],
    [{ lastName: { equalTo: 'x"; drop table crm.contacts; --' } }, ["Eve"]],
    [{ lastName: { startsWith: "B" }, firstName: { in: ["Ada", "Bob"] } }, ["Ada"]],
    [{ firstName: { in: [] } }, []],
    [{ firstName: { notIn: ["Ada"] } }, ["Bob", "Eve"]],
    [{ lastName: { includesInsensitive: "BYR" } }, ["Ada"]],
    [{ lastName: { notIncludesInsensitive: "BYR" } }, ["Bob", "Eve"]],
    [{ lastName: { includes: "%" } }, []],
    [{ lastName: { like: "_'N%" } }, ["Bob"]],
    [{ ownerId: { isNull: true } }, ["Ada", "Bob"]],
    [{ ownerId: { distinctFrom: "bob" } }, ["Ada", "Bob", "Eve"]],
    [{ ownerId: { notEqualTo: "bob" } }, ["Eve"]],
    [{ emails: { contains: ["a@b.de"] } }, ["Ada"]],
    [{ emails: { anyEqualTo: "bob@b.de" } }, []],
    [{ emails: { anyEqualToInsensitive: "bob@b.de" } }, ["Bob"]],
    [{ phones: { anyEqualToInsensitive: "0049301234567" } }, ["Ada"]],
    [{ customFields: { contains: { size: 7 } } }, ["Bob"]],
    [{ customFields: { containsKey: "size" } }, ["Bob"]],
    [{ externalIds: { anyEqualTo: { source: "erp", id: "1" } } }, ["Ada"]],
    [{ version: { lessThan: 2, greaterThanOrEqualTo: 1 } }, ["Ada", "Bob", "Eve"]],
    [{ company: { name: { equalTo: "Acme" } } }, ["Ada", "Eve"]],
    [{ not: { company: { name: { equalTo: "Acme" } } } }, ["Bob"]],
    [{ or: [{ ownerId: { equalTo: "ada" } }, { firstName: { equalTo: "Bob" } }] }, ["Bob", "Eve"]],
    [{ deals: { some: { value: { greaterThan: "20" } } } }, ["Ada"]],
    [{ deals: { some: {} } }, ["Ada"]],
    [{ deals: { none: {} } }, ["Bob", "Eve"]],
    [{ deals: { every: { value: { greaterThan: 15 } } } }, ["Bob", "Eve"]],
    [{ deals: { some: { pipelineStage: { kind: { equalTo: "open" } } } } }, ["Ada"]],
    [{ firstName: {}, company: {}, or: [], not: {}, and: [{}] }, ["Ada", "Bob", "Eve"]],
    [{ firstName: undefined, company: null }, ["Ada", "Bob", "Eve"]],
  ])("%j", async (filter, expected) => {
    expect(await names(filter)).toEqual(expected);
    expect(await repositories.contacts.count(filter)).toBe(expected.length);
  });

  test("times find rows to the microsecond", async () => {
    const [first] = await repositories.companies.findAll();
    const createdAt = { equalTo: first?.createdAt ?? "" };
    expect(await repositories.companies.findAll({ createdAt })).toEqual([first]);
  });

  test.each([
    [{ nickname: { equalTo: "x" } }, "nickname"],
    [{ constructor: { equalTo: "x" } }, "constructor"],
    [{ 'first_name" or true --': { equalTo: "x" } }, 'first_name" or true --'],
    [{ firstName: "Ada" }, "firstName"],
    [{ firstName: { constructor: "x" } }, "firstName.constructor"],
    [{ firstName: { equalTo: undefined } }, "firstName.equalTo"],
    [{ firstName: { equalTo: null } }, "firstName.equalTo"],
    [{ firstName: { in: ["a\0"] } }, "firstName.in"],
    [{ firstName: { in: "a" } }, "firstName.in"],
    [{ firstName: { equalTo: { toString: () => "x" } } }, "firstName.equalTo"],
    [{ firstName: { like: "x\\" } }, "firstName.like"],
    [{ companyId: { equalTo: "7" } }, "companyId.equalTo"],
    [{ companyId: { in: [null] } }, "companyId.in"],
    [{ version: { in: ["1"] } }, "version.in"],
    [{ emails: { contains: "a@b.de" } }, "emails.contains"],
    [{ externalIds: { anyEqualTo: { source: "erp" } } }, "externalIds.anyEqualTo"],
    [{ company: { name: { starts: "x" } } }, "company.name.starts"],
    [{ deals: { any: {} } }, "deals.any"],
    [{ or: [{}, { x: {} }] }, "or.1.x"],
    [{ and: {} }, "and"],
    [nested(50), Array.from({ length: 41 }, () => "not").join(".")],
  ])("%j is refused for %s", async (filter, field) => {
    await expect(repositories.contacts.findAll(filter as never)).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { [field]: [expect.any(String)] },
    });
  });
});

function nested(depth: number): object {
  return depth === 0 ? { firstName: { equalTo: "x" } } : { not: nested(depth - 1) };
}

describe("orders", () => {
  const inOrder = async (orderBy: OrderBy<"contact">) => {
    const rows = await repositories.contacts.findAll({}, { orderBy });
    return rows.map(({ firstName }) => firstName);
  };

  test("are by fields, by those of related rows, and by numbers of related rows", async () => {
    expect(await inOrder({ lastName: "desc" })).toEqual(["Eve", "Bob", "Ada"]);
    expect(await inOrder([{ ownerId: "asc" }, { lastName: "desc" }])).toEqual([
      "Eve",
      "Bob",
      "Ada",
    ]);
    expect(await inOrder({ company: { name: "asc" }, firstName: "desc" })).toEqual([
      "Eve",
      "Ada",
      "Bob",
    ]);
    expect(await inOrder({ deals: { count: "desc" }, firstName: "asc" })).toEqual([
      "Ada",
      "Bob",
      "Eve",
    ]);
  });

  test("of stages are those of the pipeline", async () => {
    const deals = await repositories.deals.findAll({}, { orderBy: { stage: "asc" } });
    expect(deals.map(({ stage }) => stage)).toEqual(["Prospecting", "Proposal"]);
  });

  test("begin with the newest row if none is given", async () => {
    const { createdAt } = await repositories.companies.create({ name: "Newest" }, "ada");
    const [newest] = await repositories.companies.findAll();
    expect(newest?.createdAt).toBe(createdAt);
  });

  test.each([
    [{ nickname: "asc" }, "orderBy.nickname"],
    [{ emails: "asc" }, "orderBy.emails"],
    [{ firstName: "up" }, "orderBy.firstName"],
    [{ company: { x: "asc" } }, "orderBy.company.x"],
    [{ company: "asc" }, "orderBy.company"],
    [{ deals: { sum: "asc" } }, "orderBy.deals"],
    ["firstName", "orderBy"],
  ])("%j is refused for %s", async (orderBy, field) => {
    await expect(
      repositories.contacts.findAll({}, { orderBy: orderBy as never }),
    ).rejects.toMatchObject({
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

  test("together have every row once, by offset and by cursor, forward and backward", async () => {
    const byOffset: string[] = [];
    const byCursor: string[] = [];
    const backward: string[] = [];
    let after: string | undefined;
    let before: string | undefined;
    for (let offset = 0; offset <= 1001; offset += 400) {
      const page = await repositories.notes.findAll({}, { first: 400, offset });
      byOffset.push(...page.map(({ id }) => id));
      const next = await repositories.notes.findPage({}, { first: 400, after });
      byCursor.push(...next.rows.map(({ id }) => id));
      after = next.endCursor ?? undefined;
      expect(next.hasNextPage).toBe(offset < 800);
      expect(next.hasPreviousPage).toBe(offset > 0);
      const previous = await repositories.notes.findPage({}, { last: 400, before });
      backward.unshift(...previous.rows.map(({ id }) => id));
      before = previous.startCursor ?? undefined;
      expect(previous.hasPreviousPage).toBe(offset < 800);
    }
    expect(new Set(byOffset).size).toBe(1001);
    expect(byCursor).toEqual(byOffset);
    expect(backward).toEqual(byOffset);
  });

  test("have 100 rows if no size is given", async () => {
    expect((await repositories.notes.findPage()).rows).toHaveLength(100);
  });

  test("keep their place with another filter", async () => {
    const { endCursor } = await repositories.notes.findPage({}, { first: 1 });
    const filter: Filter<"note"> = { content: { startsWith: "note" }, company: { name: {} } };
    const { rows } = await repositories.notes.findPage(filter, {
      first: 1,
      after: endCursor ?? "",
    });
    expect(rows).toEqual(await repositories.notes.findAll({}, { first: 1, offset: 1 }));
  });

  test("are asked for where a list is too long: it is never cut without a word", async () => {
    const all = repositories.notes.findAll({ entityId: { equalTo: companyId } });
    await expect(all).rejects.toThrow(ValidationError);
    await expect(all).rejects.toMatchObject({ fields: { first: [expect.any(String)] } });
  });

  test.each([
    [{ first: -1 }, "first"],
    [{ first: 1001 }, "first"],
    [{ first: 1.5 }, "first"],
    [{ first: "5" }, "first"],
    [{ last: 1001 }, "last"],
    [{ first: 1, last: 1 }, "last"],
    [{ last: 1, offset: 1 }, "offset"],
    [{ first: 1, offset: -1 }, "offset"],
    [{ first: 1, offset: NaN }, "offset"],
    [{ first: 1, after: "x" }, "after"],
    [{ first: 1, after: {} }, "after"],
    [{ first: 1, before: Buffer.from('["x","y"]').toString("base64url") }, "before"],
  ])("%j is refused for its %s", async (part, field) => {
    await expect(repositories.notes.findAll({}, part as never)).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { [field]: [expect.any(String)] },
    });
  });

  test("are refused with the cursor of another order or list", async () => {
    const { endCursor } = await repositories.notes.findPage({}, { first: 1 });
    const after = endCursor ?? "";
    const refused = { fields: { after: ["must be a cursor of this list, in the same order"] } };
    const orderBy = { createdAt: "asc" } as const;
    await expect(repositories.notes.findPage({}, { after, orderBy })).rejects.toMatchObject(
      refused,
    );
    await expect(repositories.tasks.findPage({}, { after })).rejects.toMatchObject(refused);
  });

  test("may be empty", async () => {
    expect(await repositories.notes.findPage({}, { first: 0 })).toEqual({
      rows: [],
      startCursor: null,
      endCursor: null,
      hasNextPage: true,
      hasPreviousPage: false,
    });
  });
});
