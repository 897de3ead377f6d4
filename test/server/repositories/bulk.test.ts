import { randomUUID } from "node:crypto";

import { beforeAll, describe, expect, test } from "@jest/globals";

import { BulkError, ForbiddenError, ValidationError } from "../../../server/errors/classes.ts";
import { inTransaction } from "../../../server/postgres/pool.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { usePool } from "./usePool.ts";

const crm = usePool();
const ada = { firstName: "Ada", lastName: "Byron" };
let repositories: Repositories;
beforeAll(() => {
  repositories = createRepositories(crm.pool);
});

/** Rows with faults: those that only the database knows, and one that it cannot read. */
const faulty = (ownerId: string) => [
  { ...ada, ownerId },
  { ...ada, ownerId, firstName: " " },
  { ...ada, ownerId, companyId: "7" },
  { ...ada, ownerId, emails: ["x"] },
];

describe("createMany", () => {
  test("says of which row each fault is, of all rows at once, and writes nothing", async () => {
    const ownerId = randomUUID();
    const refused = repositories.contacts.createMany(faulty(ownerId), "ada");
    await expect(refused).rejects.toThrow(BulkError);
    await expect(refused).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { "contacts.1.firstName": ["must not be blank"] },
      faults: [
        { index: 1, code: "VALIDATION_ERROR", fields: { firstName: ["must not be blank"] } },
        { index: 2, code: "VALIDATION_ERROR", fields: { companyId: ["must be a UUID"] } },
        { index: 3, fields: { "emails.0": ['"x" is not an email address'] } },
      ],
    });
    expect(await repositories.contacts.count({ ownerId: { equalTo: ownerId } })).toBe(0);
  });

  test("writes the valid rows only if it is told to", async () => {
    const ownerId = randomUUID();
    const mode = "VALID_ONLY";
    const result = await repositories.contacts.createMany(faulty(ownerId), "ada", { mode });
    expect(result).toMatchObject({ created: 1, updated: 0, unchanged: 0, deleted: 0 });
    expect(result.faults.map(({ index }) => index)).toEqual([1, 2, 3]);
    const stored = await repositories.contacts.findAll({ ownerId: { equalTo: ownerId } });
    expect(result.rows).toEqual([stored[0], null, null, null]);
  });

  test("writes nothing in a dry run, and says what would happen", async () => {
    const ownerId = randomUUID();
    const rows = faulty(ownerId);
    const { contacts } = repositories;
    const all = await contacts.createMany(rows.slice(0, 1), "ada", { dryRun: true });
    expect(all).toMatchObject({ created: 1, faults: [], rows: [null] });
    const none = await contacts.createMany(rows, "ada", { dryRun: true });
    expect(none).toMatchObject({ created: 0, faults: [{ index: 1 }, { index: 2 }, { index: 3 }] });
    const options = { dryRun: true, mode: "VALID_ONLY" } as const;
    expect(await contacts.createMany(rows, "ada", options)).toMatchObject({ created: 1 });
    expect(await contacts.count({ ownerId: { equalTo: ownerId } })).toBe(0);
  });

  test("takes part in the transaction of the caller", async () => {
    const ownerId = randomUUID();
    const session = { role: "crm_member", userId: "ada" } as const;
    const work = inTransaction(crm.pool, session, async (client) => {
      await repositories.contacts.createMany([{ ...ada, ownerId }], "ada", {}, client);
      throw new Error("no");
    });
    await expect(work).rejects.toThrow("no");
    expect(await repositories.contacts.count({ ownerId: { equalTo: ownerId } })).toBe(0);
  });

  test("refuses what is no list, no row and no mode, and a reader", async () => {
    const { contacts } = repositories;
    await expect(contacts.createMany({} as never, "ada")).rejects.toThrow(ValidationError);
    await expect(contacts.createMany([7 as never], "ada")).rejects.toMatchObject({
      faults: [{ index: 0, fields: { row: ["must be an object"] } }],
    });
    await expect(
      contacts.createMany([ada], "ada", { mode: "SOME" as never }),
    ).rejects.toMatchObject({ fields: { mode: [expect.any(String)] } });
    const reader = createRepositories(crm.pool, { role: "crm_reader" });
    await expect(reader.contacts.createMany([ada], "ada")).rejects.toThrow(ForbiddenError);
  });
});

test("updateMany updates by id, and refuses versions that are not current", async () => {
  const { rows } = await repositories.contacts.createMany([ada, ada], "ada");
  const [first, second] = rows.map((row) => row?.id ?? "");
  const changes = [
    { id: first ?? "", lastName: "Lovelace" },
    { id: second ?? "", lastName: "King", version: 7 },
    { id: randomUUID(), lastName: "King" },
  ];
  const mode = "VALID_ONLY";
  expect(await repositories.contacts.updateMany(changes, "bob", { mode })).toMatchObject({
    updated: 1,
    faults: [
      { index: 1, code: "CONFLICT" },
      { index: 2, code: "NOT_FOUND" },
    ],
    rows: [{ lastName: "Lovelace", updatedBy: "bob", version: 2 }, null, null],
  });
  const [change = { id: "" }] = changes;
  expect(await repositories.contacts.updateMany([change], "bob")).toMatchObject({ unchanged: 1 });
});

test("upsertMany updates the rows that have the external ids, and creates the others", async () => {
  const rows = ["1", "2"].map((id) => ({ ...ada, externalId: { source: "erp", id } }));
  expect(await repositories.contacts.upsertMany(rows.slice(0, 1), "ada")).toMatchObject({
    created: 1,
  });
  const changed = rows.map((row) => ({ ...row, lastName: "Lovelace" }));
  const result = await repositories.contacts.upsertMany(changed, "ada");
  expect(result).toMatchObject({ created: 1, updated: 1 });
  const { contacts } = repositories;
  expect(await contacts.findByExternalIds("erp", ["2", "no", "1"])).toEqual([
    result.rows[1],
    null,
    result.rows[0],
  ]);
  expect(await contacts.findByExternalId("erp", "1")).toEqual(result.rows[0]);
  expect(await contacts.findByExternalId("crm", "1")).toBeNull();
  await expect(contacts.findByExternalIds("erp", "1" as never)).rejects.toMatchObject({
    fields: { ids: [expect.any(String)] },
  });
  await expect(contacts.upsertMany([ada as never], "ada")).rejects.toMatchObject({
    faults: [{ index: 0, fields: { externalId: ["is required"] } }],
  });
});

test("deleteMany deletes by id, and undo brings everything back", async () => {
  const { rows } = await repositories.contacts.createMany([ada, ada], "ada");
  const ids = rows.map((row) => ({ id: row?.id ?? "" }));
  expect(await repositories.contacts.deleteMany(ids, "ada")).toEqual({
    ...{ created: 0, updated: 0, unchanged: 0, deleted: 2 },
    faults: [],
  });
  expect(await repositories.contacts.findById(ids[0]?.id ?? "")).toBeNull();
});
