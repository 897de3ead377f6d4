import { beforeAll, expect, test } from "@jest/globals";

import type { Contact, Deal, Task } from "../../../server/model/generated/rows.ts";
import type { Filter } from "../../../server/repositories/filters.ts";
import type { Loaded } from "../../../server/repositories/loads.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { usePool } from "./usePool.ts";

const crm = usePool();
let repositories: Repositories;
let contact: Contact;
let deals: Deal[];
let task: Task;

beforeAll(async () => {
  repositories = createRepositories(crm.pool);
  const company = await repositories.companies.create({ name: "Acme" }, "ada");
  const ada = { firstName: "Ada", lastName: "Byron", companyId: company.id };
  contact = await repositories.contacts.create(ada, "ada");
  const deal = { companyId: company.id, contactId: contact.id, stage: "Proposal" };
  deals = [];
  for (const value of ["1", "3", "2"]) {
    deals.push(await repositories.deals.create({ ...deal, title: value, value }, "ada"));
  }
  const attached = { entityType: "deal", entityId: deals[1]?.id ?? "" } as const;
  task = await repositories.tasks.create({ ...attached, description: "Call" }, "ada");
});

test("related rows are read with a row, in one statement", async () => {
  const texts: string[] = [];
  const { pool } = crm;
  const watch = (client: { query: (...args: never[]) => unknown }) => {
    const { query } = client;
    client.query = (...args) => {
      const [first] = args as unknown as [{ text?: string } | string];
      texts.push(typeof first === "string" ? first : (first.text ?? ""));
      return query.apply(client, args);
    };
  };
  pool.once("acquire", watch as never);
  const found = await repositories.contacts.findById(contact.id, {
    with: {
      company: true,
      deals: { orderBy: { value: "desc" }, first: 2, with: { tasks: true, pipelineStage: true } },
    },
  });
  expect(texts.filter((text) => text.includes("crm.contacts"))).toHaveLength(1);
  expect(texts.filter((text) => text.includes("crm.deals"))).toHaveLength(1);
  expect(found).toMatchObject({
    ...contact,
    company: { id: contact.companyId, name: "Acme" },
    deals: [
      { ...deals[1], tasks: [task], pipelineStage: { name: "Proposal", kind: "open" } },
      { ...deals[2], tasks: [] },
    ],
  });
  expect(found?.deals).toHaveLength(2);
  // The types follow from what is asked for.
  const name: string | undefined = found?.company?.name;
  const description: string | undefined = found?.deals[0]?.tasks[0]?.description;
  const position: number | undefined = found?.deals[0]?.pipelineStage.position;
  expect([name, description, typeof position]).toEqual(["Acme", "Call", "number"]);
});

test("a row without a related row has null", async () => {
  const [found] = await repositories.tasks.findAll({}, { with: { deal: true, company: true } });
  expect(found).toMatchObject({ ...task, deal: deals[1], company: null });
});

test("related lists that are too long are refused, never cut without a word", async () => {
  const { rows } = await repositories.companies.createMany([{ name: "Many" }], "ada");
  const entityId = rows[0]?.id ?? "";
  const note = { entityType: "company" as const, entityId, content: "x" };
  await repositories.notes.createMany(
    Array.from({ length: 1001 }, () => note),
    "ada",
  );
  const filter: Filter<"company"> = { id: { equalTo: entityId } };
  await expect(
    repositories.companies.findAll(filter, { with: { notes: true } }),
  ).rejects.toMatchObject({ fields: { "with.notes.first": [expect.any(String)] } });
  const cut = await repositories.companies.findAll(filter, { with: { notes: { first: 1000 } } });
  expect(cut[0]?.notes).toHaveLength(1000);
});

test.each([
  [{ employees: true }, "with.employees"],
  [{ company: { first: 1 } }, "with.company.first"],
  [{ company: 7 }, "with.company"],
  [{ deals: { first: 1001 } }, "with.deals.first"],
  [{ deals: { filter: { x: {} } } }, "with.deals.filter.x"],
  [{ deals: { orderBy: { x: "asc" } } }, "with.deals.orderBy.x"],
  [{ deals: { with: { x: true } } }, "with.deals.with.x"],
])("%j is refused for %s", async (loads, field) => {
  await expect(repositories.contacts.findAll({}, { with: loads as never })).rejects.toMatchObject({
    code: "VALIDATION_ERROR",
    fields: { [field]: [expect.any(String)] },
  });
});

test("the compiler knows the fields, the operators, the orders and the relations", async () => {
  const { contacts } = repositories;
  const refused = [
    // @ts-expect-error: no such field
    () => contacts.findAll({ nickname: { equalTo: "x" } }),
    // @ts-expect-error: a value is no condition
    () => contacts.findAll({ firstName: "Ada" }),
    // @ts-expect-error: a number does not begin with a text
    () => contacts.findAll({ version: { startsWith: "1" } }),
    // @ts-expect-error: a list does not begin with a text
    () => contacts.findAll({ emails: { startsWith: "a" } }),
    // @ts-expect-error: no such value
    () => repositories.tasks.findAll({ status: { equalTo: "done" } }),
    // @ts-expect-error: a company has no first name
    () => contacts.findAll({ company: { firstName: { equalTo: "x" } } }),
    // @ts-expect-error: many rows have some, every or none
    () => contacts.findAll({ deals: { title: { equalTo: "x" } } }),
    // @ts-expect-error: no such direction
    () => contacts.findAll({}, { orderBy: { lastName: "up" } }),
    // @ts-expect-error: lists have no order
    () => contacts.findAll({}, { orderBy: { emails: "asc" } }),
    // @ts-expect-error: no such relation
    () => contacts.findAll({}, { with: { employees: true } }),
    // @ts-expect-error: no such relation beside one that is
    () => contacts.findAll({}, { with: { company: true, employees: true } }),
    // @ts-expect-error: a company is one row
    () => contacts.findAll({}, { with: { company: { first: 1 } } }),
  ];
  const results = await Promise.allSettled(refused.map((call) => call()));
  // A status that no task has is well-formed text: it finds nothing.
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  // @ts-expect-error: a stage has no external ids
  const method: keyof Repositories["pipelineStages"] = "findByExternalId";
  expect(repositories.pipelineStages).not.toHaveProperty(method);
  // @ts-expect-error: the tasks were not asked for
  const field: keyof Loaded<"contact", { deals: true }> = "tasks";
  const found = await contacts.findById(contact.id, { with: { deals: true } });
  expect(found).not.toHaveProperty(field);
});
