// The data provider of examples/react-admin, called as React Admin calls it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Contact, createCompany, headers, rename, url } from "./crm.ts";
import { createDataProvider } from "./data-provider.ts";

const provider = createDataProvider({
  url,
  headers: () => headers,
  fields: {
    companies: "name",
    contacts: "firstName lastName emails companyId company { id name }",
    pipelineStages: "name position",
  },
});

const everything = { page: 1, perPage: 25 };
/** What React Admin sends if a list has no order. */
const byId = { field: "id", order: "ASC" } as const;
const byName = { field: "lastName", order: "ASC" } as const;

const namesIn = (rows: { lastName: string }[]) => rows.map(({ lastName }) => lastName);

test("getList filters, sorts and pages", async () => {
  const { companyId } = await createCompany("Acme", "Adams", "Baker", "Clark");
  const list = async (
    page: number,
    filter: object = {},
    sort: typeof byName | typeof byId = byName,
  ) => {
    const { data, total } = await provider.getList("contacts", {
      pagination: { page, perPage: 2 },
      sort,
      filter: { companyId, ...filter },
    });
    return [namesIn(data), total];
  };
  assert.deepEqual(await list(1), [["Adams", "Baker"], 3]);
  assert.deepEqual(await list(2), [["Clark"], 3]);
  assert.deepEqual(await list(1, { lastName: "Baker" }), [["Baker"], 1]);
  assert.deepEqual(await list(1, { lastName: ["Baker", "Clark"] }), [["Baker", "Clark"], 2]);
  assert.deepEqual(await list(1, { lastName: { startsWithInsensitive: "c" } }), [["Clark"], 1]);
  assert.deepEqual(await list(1, { createdBy: null, lastName: "" }), [[], 0]);
  assert.deepEqual(await list(1, { ownerId: null, lastName: "" }), [["Adams", "Baker"], 3]);
  assert.deepEqual(await list(1, { or: [{ companyExists: false }] }), [[], 0]);
});

test("getList sorts by a field of a related row, newest first if by id", async () => {
  const name = `Acme ${crypto.randomUUID()}`;
  await createCompany(name, "Adams");
  await createCompany(`${name} 2`, "Baker");
  const list = async (field: string, order: "ASC" | "DESC") => {
    const { data } = await provider.getList("contacts", {
      pagination: everything,
      sort: { field, order },
      filter: { company: { name: { startsWith: name } } },
    });
    return namesIn(data);
  };
  assert.deepEqual(await list("company.name", "ASC"), ["Adams", "Baker"]);
  assert.deepEqual(await list("company.name", "DESC"), ["Baker", "Adams"]);
  assert.deepEqual(await list("id", "ASC"), ["Baker", "Adams"]);
});

test("getList searches", async () => {
  const { companyId } = await createCompany("Acme", "Zaharoff", "Baker");
  const list = (q: string, sort = byId) =>
    provider.getList("contacts", { pagination: everything, sort, filter: { companyId, q } });
  assert.deepEqual(namesIn((await list("zaharof")).data), ["Zaharoff"]);
  assert.equal((await list("")).total, 2);
});

test("getList reads entities that cannot be searched", async () => {
  const { data, total } = await provider.getList("pipelineStages", {
    pagination: everything,
    sort: { field: "position", order: "ASC" },
    filter: {},
  });
  assert.equal(data.length, total);
  assert.equal(data[0]?.position, 0);
});

test("a list that is no longer shown is cancelled", async () => {
  assert.equal(provider.supportAbortSignal, true);
  await assert.rejects(
    provider.getList("contacts", { pagination: everything, signal: AbortSignal.abort() }),
    { name: "AbortError" },
  );
});

test("getOne, getMany and getManyReference read rows by their ids", async () => {
  const { companyId, contacts } = await createCompany("Acme", "Adams", "Baker", "Clark");
  const [adams, baker] = contacts as [Contact, Contact];
  const { data: one } = await provider.getOne("contacts", { id: adams.id });
  assert.partialDeepStrictEqual(one, { lastName: "Adams", version: 1, company: { name: "Acme" } });
  const { data: many } = await provider.getMany("contacts", { ids: [adams.id, baker.id] });
  assert.deepEqual(namesIn(many).toSorted(), ["Adams", "Baker"]);
  const { data: related, total } = await provider.getManyReference("contacts", {
    target: "companyId",
    id: companyId,
    pagination: { page: 2, perPage: 2 },
    sort: byName,
    filter: {},
  });
  assert.deepEqual([namesIn(related), total], [["Clark"], 3]);
});

test("getOne of a row that does not exist has the status 404", async () => {
  const id = crypto.randomUUID();
  await assert.rejects(provider.getOne("companies", { id }), { name: "HttpError", status: 404 });
});

test("create, update and delete return the row", async () => {
  const { data: created } = await provider.create("companies", { data: { name: "Acme" } });
  assert.partialDeepStrictEqual(created, { name: "Acme", version: 1 });
  const { id } = created;
  const { data: updated } = await provider.update("companies", {
    id,
    data: { ...created, name: "Ajax" },
    previousData: created,
  });
  assert.deepEqual(updated, { id, name: "Ajax", version: 2 });
  const { data: deleted } = await provider.delete("companies", { id, previousData: updated });
  assert.equal(deleted.name, "Ajax");
  await assert.rejects(provider.getOne("companies", { id }), { status: 404 });
});

test("an update sends only what the user changed, with the version that the user read", async () => {
  const [{ id }] = (await createCompany("Acme", "Byron")).contacts as [Contact];
  const { data: previousData } = await provider.getOne("contacts", { id });
  const { data } = await provider.update("contacts", {
    id,
    data: { ...previousData, firstName: "Augusta" },
    previousData,
  });
  assert.partialDeepStrictEqual(data, { firstName: "Augusta", company: { name: "Acme" } });
  await rename(id, "Lovelace");
  await assert.rejects(
    provider.update("contacts", { id, data: { ...data, firstName: "Ada" }, previousData: data }),
    { name: "HttpError", status: 409 },
  );
});

test("faults are errors of the form, by field", async () => {
  const data = { firstName: " ", lastName: "King", emails: ["ada@example.com", "x"] };
  await assert.rejects(provider.create("contacts", { data }), {
    status: 422,
    body: {
      code: "VALIDATION_ERROR",
      errors: {
        firstName: "must not be blank",
        "emails.1": '"x" is not an email address',
      },
    },
  });
});

test("updateMany and deleteMany write all rows or none", async () => {
  const { companyId, contacts } = await createCompany("Acme", "Adams", "Baker");
  const ids = contacts.map(({ id }) => id);
  const names = async () => {
    const { data } = await provider.getList("contacts", { sort: byName, filter: { companyId } });
    return namesIn(data);
  };
  assert.deepEqual(await provider.updateMany("contacts", { ids, data: { lastName: "King" } }), {
    data: ids,
  });
  assert.deepEqual(await names(), ["King", "King"]);
  const tooMany = [...ids, crypto.randomUUID()];
  await assert.rejects(provider.updateMany("contacts", { ids: tooMany, data: { lastName: "X" } }));
  await assert.rejects(provider.deleteMany("contacts", { ids: tooMany }));
  assert.deepEqual(await names(), ["King", "King"]);
  assert.deepEqual(await provider.deleteMany("contacts", { ids }), { data: ids });
  assert.deepEqual(await names(), []);
});

test("a user who is not authenticated gets the status 401", async () => {
  const nobody = createDataProvider({ url, headers: () => ({}), fields: { companies: "name" } });
  await assert.rejects(nobody.getList("companies", {}), { status: 401 });
});
