import { randomUUID } from "node:crypto";

import { beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";

import {
  BulkError,
  ConflictError,
  ConstraintViolationError,
  ForbiddenError,
  NotFoundError,
  ValidationError,
} from "../../../server/errors/classes.ts";
import { tables } from "../../../server/model/generated/tables.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { createRepository, type Repository } from "../../../server/repositories/repository.ts";
import { withAttachments } from "../../../server/services/entity.ts";
import { usePool } from "./usePool.ts";

const crm = usePool();
const ada = { firstName: "Ada", lastName: "Byron" };
let repositories: Repositories;
beforeAll(() => {
  repositories = createRepositories(crm.pool);
});

describe("create", () => {
  test("gives the row as it is stored, with what the database adds", async () => {
    const emails = ["ada@example.org"];
    const created = await repositories.contacts.create({ ...ada, emails }, "ada");
    expect(created).toEqual({
      ...ada,
      emails,
      externalIds: [],
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      phones: [],
      companyId: null,
      ownerId: null,
      customFields: {},
      version: 1,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      updatedAt: created.createdAt,
      createdBy: "ada",
      updatedBy: "ada",
    });
    expect(await repositories.contacts.findById(created.id)).toEqual(created);
  });

  test("is the same in any time zone and with any parsers of the application", async () => {
    const pool = new pg.Pool({
      connectionString: crm.database.serverUrl,
      options: "-c timezone=Pacific/Apia -c datestyle=German -c intervalstyle=sql_standard",
      types: {
        getTypeParser: (oid) => (oid === pg.types.builtins.TEXT ? String : () => "not this"),
      },
    });
    try {
      const { companies, deals } = createRepositories(pool);
      const company = await repositories.companies.create({ name: "Acme" }, "ada");
      expect(await companies.findById(company.id)).toEqual(company);
      const given = { value: "9999999999999.99", closeDate: "0001-01-01", stage: "Won" } as const;
      const deal = await repositories.deals.create(
        { ...given, title: "Engine", companyId: company.id },
        "ada",
      );
      expect(deal).toMatchObject(given);
      expect(await deals.findById(deal.id)).toEqual(deal);
    } finally {
      await pool.end();
    }
  });

  test("refuses a row with every fault, in the words of the database", async () => {
    const faulty = { firstName: " ", lastName: "x".repeat(256), emails: ["x", "a@b.de"] };
    await expect(repositories.contacts.create(faulty, "ada")).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      constraint: "contacts_first_name_blank",
      fields: {
        firstName: ["must not be blank"],
        lastName: ["must have at most 255 characters"],
        "emails.0": ['"x" is not an email address'],
      },
    });
  });

  test("refuses by its field what PostgreSQL would misread, or refuse without one", async () => {
    const faulty = {
      ...{ title: "a\0b", companyId: "7", value: "NaN", stage: 7, closeDate: "tomorrow" },
      ...{ ownerId: "\ud800", nickname: "x" },
    };
    const error: unknown = await repositories.deals
      .create(faulty as never, "ada")
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ValidationError);
    expect(Object.keys((error as ValidationError).fields).sort()).toEqual([
      "closeDate",
      "companyId",
      "nickname",
      "ownerId",
      "stage",
      "title",
      "value",
    ]);
  });

  test("refuses a link to a row that does not exist, with its field", async () => {
    const lost = repositories.contacts.create({ ...ada, companyId: randomUUID() }, "ada");
    await expect(lost).rejects.toThrow(ConstraintViolationError);
    await expect(lost).rejects.toMatchObject({
      constraint: "contacts_company_id_exists",
      fields: { companyId: ["is not the id of a company"] },
    });
  });

  test("refuses a name that is taken", async () => {
    const taken = repositories.pipelineStages.create({ name: "Won" }, "ada");
    await expect(taken).rejects.toMatchObject({
      constraint: "pipeline_stages_name_unique",
      fields: { name: ["is already the name of a stage"] },
    });
  });

  test("refuses who is nobody, too long, or a database session", async () => {
    for (const userId of [
      "",
      " \u200b",
      "x".repeat(256),
      "db:ada",
      "key:zapier",
      "a\0",
      undefined,
      7,
    ]) {
      await expect(repositories.contacts.create(ada, userId as string)).rejects.toMatchObject({
        code: "VALIDATION_ERROR",
        fields: { userId: [expect.any(String)] },
      });
    }
    const longest = "\u{1f600}".repeat(255);
    expect(await repositories.contacts.create(ada, longest)).toMatchObject({ createdBy: longest });
  });
});

describe("createMany", () => {
  test("adds rows in the order of the data, each with its own defaults", async () => {
    const company = await repositories.companies.create({ name: "Acme" }, "ada");
    const deal = { companyId: company.id, value: 1, stage: "Proposal" };
    const { created, rows } = await repositories.deals.createMany(
      [
        { ...deal, title: "first" },
        { ...deal, title: "second", currency: "EUR", probability: 7 },
        { ...deal, title: "third", stage: "Lost" },
      ],
      "ada",
    );
    const brief = rows.map((row) => [row?.title, row?.currency, row?.probability]);
    expect(created).toBe(3);
    expect(brief).toEqual([
      ["first", "USD", 50],
      ["second", "EUR", 7],
      ["third", "USD", 0],
    ]);
  });

  test("adds all rows or none", async () => {
    const ownerId = randomUUID();
    const rows = [
      { ...ada, ownerId },
      { ...ada, firstName: "", ownerId },
    ];
    await expect(repositories.contacts.createMany(rows, "ada")).rejects.toThrow(BulkError);
    expect(await repositories.contacts.findAll({ ownerId: { equalTo: ownerId } })).toEqual([]);
  });

  test("adds nothing out of nothing", async () => {
    expect(await repositories.contacts.createMany([], "ada")).toMatchObject({
      created: 0,
      rows: [],
    });
  });
});

describe("findById", () => {
  test("gives null where there is no row, and refuses what cannot be an id", async () => {
    expect(await repositories.notes.findById(randomUUID())).toBeNull();
    await expect(repositories.notes.findById("7")).rejects.toMatchObject({
      fields: { id: ["must be a UUID"] },
    });
  });
});

describe("update", () => {
  test("changes what is given, leaves the rest, and says who did it and when", async () => {
    const before = await repositories.contacts.create({ ...ada, phones: ["1"] }, "ada");
    const after = await repositories.contacts.update(
      before.id,
      { lastName: "Lovelace", phones: undefined },
      "bob",
    );
    expect(after).toEqual({
      ...before,
      lastName: "Lovelace",
      version: 2,
      updatedBy: "bob",
      updatedAt: after.updatedAt,
    });
    expect(after.updatedAt > before.updatedAt).toBe(true);
  });

  test("changes nothing where nothing is new", async () => {
    const before = await repositories.contacts.create(ada, "ada");
    expect(await repositories.contacts.update(before.id, {}, "bob")).toEqual(before);
    expect(await repositories.contacts.update(before.id, ada, "bob")).toEqual(before);
  });

  test("sets to null what may be null", async () => {
    const { id } = await repositories.contacts.create({ ...ada, ownerId: "ada" }, "ada");
    expect(await repositories.contacts.update(id, { ownerId: null }, "ada")).toMatchObject({
      ownerId: null,
    });
    await expect(
      repositories.contacts.update(id, { lastName: null as never }, "ada"),
    ).rejects.toMatchObject({ fields: { lastName: ["is required"] } });
  });

  test("refuses a version that is not current any more, and says which is", async () => {
    const { id } = await repositories.contacts.create(ada, "ada");
    const winner = { firstName: "A.", version: 1 };
    const { updatedAt } = await repositories.contacts.update(id, winner, "bob");
    const late = repositories.contacts.update(id, { firstName: "Augusta", version: 1 }, "ada");
    await expect(late).rejects.toThrow(ConflictError);
    await expect(late).rejects.toMatchObject({
      current: { version: 2, updatedAt, updatedBy: "bob" },
    });
  });

  test("refuses what the system sets", async () => {
    const { id } = await repositories.contacts.create(ada, "ada");
    const forged = { createdBy: "eve", updatedAt: "2020-01-01T00:00:00Z" };
    await expect(repositories.contacts.update(id, forged as never, "eve")).rejects.toMatchObject({
      fields: { createdBy: [expect.any(String)], updatedAt: [expect.any(String)] },
    });
  });

  test("refuses a row that does not exist", async () => {
    const id = randomUUID();
    await expect(repositories.tasks.update(id, { status: "closed" }, "ada")).rejects.toEqual(
      new NotFoundError("task", id),
    );
  });

  test("keeps both of two changes to different fields that meet", async () => {
    const { id } = await repositories.contacts.create(ada, "ada");
    await Promise.all([
      repositories.contacts.update(id, { firstName: "Augusta" }, "ada"),
      repositories.contacts.update(id, { lastName: "Lovelace" }, "bob"),
    ]);
    expect(await repositories.contacts.findById(id)).toMatchObject({
      firstName: "Augusta",
      lastName: "Lovelace",
      version: 3,
    });
  });
});

describe("delete", () => {
  test("removes the row, and refuses one that does not exist", async () => {
    const { id } = await repositories.contacts.create(ada, "ada");
    await repositories.contacts.delete(id, "ada");
    expect(await repositories.contacts.findById(id)).toBeNull();
    await expect(repositories.contacts.delete(id, "ada")).rejects.toEqual(
      new NotFoundError("contact", id),
    );
  });

  test("refuses a row that others still use", async () => {
    const company = await repositories.companies.create({ name: "Acme" }, "ada");
    const { name, id } = await repositories.pipelineStages.create({ name: "Engaging" }, "ada");
    await repositories.deals.create(
      { title: "Engine", companyId: company.id, value: 1, stage: name },
      "ada",
    );
    await expect(repositories.pipelineStages.delete(id, "ada")).rejects.toMatchObject({
      code: "CONSTRAINT_VIOLATION",
      constraint: "deals_stage_exists",
    });
  });
});

describe("history", () => {
  test("tells everything that was done to a row, the oldest first", async () => {
    const { id } = await repositories.contacts.create(ada, "ada");
    await repositories.contacts.update(id, { lastName: "Lovelace" }, "bob");
    expect(await repositories.contacts.history(id)).toMatchObject([
      { action: "create", userId: "ada", entityType: "contact", entityId: id, source: "api" },
      {
        action: "update",
        userId: "bob",
        changes: { last_name: { old: "Byron", new: "Lovelace" } },
      },
    ]);
  });

  test("of a row that is gone is for administrators", async () => {
    const { id } = await repositories.contacts.create(ada, "ada");
    await repositories.contacts.delete(id, "ada");
    expect(await repositories.contacts.history(id)).toEqual([]);
    const asAdmin = createRepository(crm.pool, "contact", { role: "crm_admin" });
    expect((await asAdmin.history(id)).map(({ action }) => action)).toEqual(["create", "delete"]);
  });
});

describe("roles", () => {
  test("a reader reads and does not write", async () => {
    const reader = createRepositories(crm.pool, { role: "crm_reader" });
    await expect(reader.contacts.create(ada, "ada")).rejects.toThrow(ForbiddenError);
    expect(await reader.pipelineStages.findAll({ kind: { equalTo: "won" } })).toHaveLength(1);
  });

  test("a member does not define custom fields", async () => {
    const member = createRepositories(crm.pool, { role: "crm_member" });
    await expect(
      member.customFieldDefinitions.create(
        { name: "size", label: "Size", entityType: "company", fieldType: "number" },
        "ada",
      ),
    ).rejects.toThrow(ForbiddenError);
  });
});

describe("findById with tasks and notes", () => {
  test.each(["contacts", "companies", "deals"] as const)(
    "gives a row of %s with its tasks and notes, the oldest first",
    async (name) => {
      const company = await repositories.companies.create({ name: "Acme" }, "ada");
      const samples = {
        contacts: () => repositories.contacts.create(ada, "ada"),
        companies: () => Promise.resolve(company),
        deals: () =>
          repositories.deals.create(
            { title: "Engine", companyId: company.id, value: "2.50", stage: "Won" },
            "ada",
          ),
      };
      const find = (id: string) =>
        (repositories[name] as Repository<"contact">).findById(id, withAttachments);
      const kinds = { contacts: "contact", companies: "company", deals: "deal" } as const;
      const row = await samples[name]();
      expect(await find(row.id)).toEqual({
        ...row,
        tasks: [],
        notes: [],
      });
      const to = { entityType: kinds[name], entityId: row.id };
      const first = await repositories.tasks.create({ ...to, description: "first" }, "ada");
      const second = await repositories.tasks.create({ ...to, description: "second" }, "ada");
      const note = await repositories.notes.create({ ...to, content: "note" }, "ada");
      expect(await find(row.id)).toEqual({
        ...row,
        tasks: [first, second],
        notes: [note],
      });
      expect(await find(randomUUID())).toBeNull();
    },
  );
});

test("every row has exactly the columns of its table", async () => {
  const [stage] = await repositories.pipelineStages.findAll({ kind: { equalTo: "lost" } });
  expect(Object.keys(stage ?? {})).toEqual(Object.keys(tables.pipelineStage.columns));
});
