import { randomUUID } from "node:crypto";

import { beforeAll, expect, test } from "@jest/globals";

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

test("asOf gives a row as it was, and null before it was", async () => {
  const created = await repositories.contacts.create(ada, "ada");
  await repositories.contacts.update(created.id, { lastName: "Lovelace" }, "bob");
  const { contacts } = repositories;
  expect(await contacts.asOf(created.id, created.createdAt)).toEqual(created);
  expect(await contacts.asOf(created.id, "2020-01-01T00:00:00Z")).toBeNull();
  expect(await contacts.asOf(randomUUID(), created.createdAt)).toBeNull();
  await expect(contacts.asOf(created.id, "yesterday")).rejects.toMatchObject({
    fields: { at: [expect.any(String)] },
  });
});

test("fieldHistory gives every value that a field had", async () => {
  const { id } = await repositories.contacts.create(ada, "ada");
  const updated = await repositories.contacts.update(id, { lastName: "Lovelace" }, "bob");
  expect(await repositories.contacts.fieldHistory(id, "lastName")).toMatchObject([
    { value: "Lovelace", setBy: "bob", validFrom: updated.updatedAt, validUntil: null },
    { value: "Byron", setBy: "ada", validUntil: updated.updatedAt },
  ]);
  await expect(repositories.contacts.fieldHistory(id, "x")).rejects.toMatchObject({
    fields: { field: [expect.any(String)] },
  });
});

test("history is filtered and paged", async () => {
  const { id } = await repositories.contacts.create(ada, "ada");
  await repositories.contacts.update(id, { lastName: "Lovelace" }, "bob");
  await repositories.contacts.update(id, { lastName: "King" }, "eve");
  const { contacts } = repositories;
  const last = await contacts.history(id, { last: 2 });
  expect(last.map(({ userId }) => userId)).toEqual(["bob", "eve"]);
  const filter = { userId: { equalTo: "bob" } };
  expect(await contacts.history(id, { filter })).toEqual([last[0]]);
});

test("the trash lists deleted rows, and restore brings them back", async () => {
  const created = await repositories.contacts.create(ada, "ada");
  const note = { content: "x", entityType: "contact", entityId: created.id } as const;
  await repositories.notes.create(note, "ada");
  await repositories.contacts.delete(created.id, "bob");
  const filter = { entityType: { equalTo: "contact" }, deletedBy: { equalTo: "bob" } };
  expect(await repositories.trash.findAll(filter)).toMatchObject([
    { entityId: created.id, label: "Ada Byron", deletedBy: "bob", cascadedRows: "1" },
  ]);
  expect((await repositories.trash.findPage({}, { first: 1 })).rows).toHaveLength(1);
  expect(await repositories.contacts.restore(created.id, "bob")).toMatchObject({ restored: 2 });
  expect(await repositories.contacts.findById(created.id)).toMatchObject(ada);
  expect(await repositories.trash.count(filter)).toBe(0);
});
