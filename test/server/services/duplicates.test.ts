import { randomUUID } from "node:crypto";

import { beforeAll, expect, test } from "@jest/globals";

import { ConflictError, NotFoundError } from "../../../server/errors/classes.ts";
import { createServices, type Services } from "../../../server/services/services.ts";
import { usePool } from "../repositories/usePool.ts";

const crm = usePool();
const ada = { firstName: "Ada", lastName: "Lovelace" };
let services: Services;
beforeAll(() => {
  services = createServices(crm.pool);
});

test("contacts are found twice and merged", async () => {
  const { contacts, notes } = services;
  const winner = await contacts.createContact({ ...ada, emails: ["a@x.org"] }, "ada");
  const loser = await contacts.createContact({ ...ada, emails: ["A@x.org", "b@x.org"] }, "ada");
  await notes.createNote({ content: "Hm", entityType: "contact", entityId: loser.id }, "ada");
  expect(await contacts.findDuplicates(winner.id)).toEqual([
    {
      entityId: loser.id,
      score: 0.968,
      reasons: ["email", "domain", "name"],
      email: "a@x.org",
      phone: null,
      domain: "x.org",
      nameSimilarity: 1,
    },
  ]);

  const merge = await contacts.mergeContacts(winner.id, [loser.id], { lastName: "King" }, "bob");
  expect(merge).toEqual({
    transactionId: expect.stringMatching(/^\d+$/),
    dealsMoved: 0,
    tasksMoved: 0,
    notesMoved: 1,
  });
  expect(await contacts.getContact(winner.id)).toMatchObject({
    lastName: "King",
    emails: ["a@x.org", "b@x.org"],
    updatedBy: "bob",
  });
  const history = await contacts.getContactHistory(winner.id);
  expect(history.at(-1)).toMatchObject({ userId: "bob", transactionId: merge.transactionId });
  expect(history.map(({ entityId, action }) => [entityId, action])).toEqual([
    [winner.id, "create"],
    [loser.id, "create"],
    [winner.id, "update"],
    [loser.id, "delete"],
  ]);
  expect(await contacts.getMergedInto(loser.id)).toBe(winner.id);
  expect(await contacts.getMergedInto(winner.id)).toBeNull();
});

test("companies are found twice and merged", async () => {
  const { companies, contacts } = services;
  const winner = await companies.createCompany({ name: "Acme" }, "ada");
  const loser = await companies.createCompany({ name: "Acme Ltd" }, "ada");
  const { id } = await contacts.createContact({ ...ada, companyId: loser.id }, "ada");
  expect(await companies.findDuplicates(winner.id)).toMatchObject([{ entityId: loser.id }]);
  expect(await companies.mergeCompanies(winner.id, [loser.id], {}, "ada")).toMatchObject({
    contactsMoved: 1,
    dealsMoved: 0,
  });
  expect(await contacts.getContact(id)).toMatchObject({ companyId: winner.id });
  expect(await companies.getMergedInto(loser.id)).toBe(winner.id);
  expect(await companies.getMergedInto(randomUUID())).toBeNull();
});

test("what cannot be merged is refused by one of the typed errors", async () => {
  const { contacts } = services;
  const { id, version } = await contacts.createContact(ada, "ada");
  const other = await contacts.createContact(ada, "ada");
  const absent = [randomUUID(), randomUUID()] as const;

  await expect(contacts.findDuplicates(absent[0])).rejects.toThrow(
    new NotFoundError("contact", absent[0]),
  );
  await expect(contacts.mergeContacts(id, absent, {}, "ada")).rejects.toMatchObject({
    name: "NotFoundError",
    entityIds: absent,
  });
  await expect(
    contacts.mergeContacts(id, [other.id], { version: version + 1 }, "ada"),
  ).rejects.toThrow(ConflictError);
  await expect(contacts.mergeContacts(id, [], {}, "ada")).rejects.toMatchObject({
    fields: { losers: ["must name at least one"] },
  });
  await expect(
    contacts.mergeContacts("1", ["2"], { lastName: " ", size: 1 } as never, "ada"),
  ).rejects.toMatchObject({
    fields: {
      lastName: ["must not be blank"],
      size: ["is not a field that can be given here"],
    },
  });
});
