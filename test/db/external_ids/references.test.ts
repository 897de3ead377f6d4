import { expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

const write = `
  select created, updated, faults, ids::text[] as ids
  from crm_private.write_rows($1, $2, $3, 'VALID_ONLY')`;

interface Result {
  created: number;
  updated: number;
  faults: { index: number; code: string; fields: Record<string, string[]> }[];
  ids: string[];
}

async function bulk(
  client: pg.ClientBase,
  entityType: string,
  operation: string,
  ...rows: object[]
): Promise<Result> {
  const { rows: results } = await client.query<Result>(write, [
    entityType,
    operation,
    JSON.stringify(rows),
  ]);
  return results[0] ?? { created: NaN, updated: NaN, faults: [], ids: [] };
}

const crm = (id: string) => ({ external_id: { source: "crm", id } });
const ada = (more: object) => ({ first_name: "Ada", last_name: "Lovelace", ...more });

/** Creates the company Acme, which the system crm calls 1, and gives its id. */
async function acme(client: pg.ClientBase): Promise<string> {
  const { ids } = await bulk(client, "company", "upsert", { ...crm("1"), name: "Acme" });
  return ids[0] ?? "";
}

async function one(client: pg.ClientBase, text: string, ...values: unknown[]): Promise<unknown> {
  return (await client.query<{ value: unknown }>(text, values)).rows[0]?.value;
}

const companyOf = "select company_id::text as value from crm.contacts where id = $1";

test("rows of a bulk write reference others by external id, in each operation", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    const company = await acme(client);
    const created = await bulk(client, "contact", "create", ada({ company: crm("1") }), ada({}));
    expect(created).toMatchObject({ created: 2, faults: [] });
    expect(await one(client, companyOf, created.ids[0])).toBe(company);
    expect(await one(client, companyOf, created.ids[1])).toBeNull();

    const [, id] = created.ids;
    await bulk(client, "contact", "update", { id, company: crm("1") });
    expect(await one(client, companyOf, id)).toBe(company);
    await bulk(client, "contact", "update", { id, company: null });
    expect(await one(client, companyOf, id)).toBeNull();

    const upserted = await bulk(client, "contact", "upsert", {
      ...crm("7"),
      ...ada({ company: crm("1") }),
    });
    expect(await one(client, companyOf, upserted.ids[0])).toBe(company);
  }));

test("a task or note is attached to an entity by external id", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    const company = await acme(client);
    const task = { description: "Call", entity: crm("1") };
    const { ids, faults } = await bulk(
      client,
      "task",
      "create",
      { ...task, entity_type: "company" },
      { ...task, entity_type: "contact" },
      task,
    );
    expect(await one(client, "select company_id::text as value from crm.tasks where id = $1", ids[0])).toBe(
      company,
    );
    expect(faults).toEqual([
      {
        index: 1,
        code: "CONSTRAINT_VIOLATION",
        fields: { entity: ['{"id": "1", "source": "crm"} is not the external id of a contact'] },
      },
      {
        index: 2,
        code: "VALIDATION_ERROR",
        fields: { entity: ["needs an entityType"], entityType: ["is required"] },
      },
    ]);
  }));

test("an unknown external id is a fault of its row, with all other faults of that row", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    const company = await acme(client);
    const deal = { title: "Deal", value: 1, stage: "Prospecting" };
    expect(
      await bulk(
        client,
        "deal",
        "create",
        { ...deal, company: crm("1") },
        { ...deal, company: crm("2") },
        { ...deal, company: crm("2"), contact: crm("3"), title: " " },
        { ...deal, company: crm("1"), company_id: company },
        { ...deal, company: null, company_id: company },
        { ...deal, company: null },
      ),
    ).toMatchObject({
      created: 2,
      faults: [
        {
          index: 1,
          code: "CONSTRAINT_VIOLATION",
          fields: { company: ['{"id": "2", "source": "crm"} is not the external id of a company'] },
        },
        {
          index: 2,
          code: "VALIDATION_ERROR",
          fields: {
            company: ['{"id": "2", "source": "crm"} is not the external id of a company'],
            contact: ['{"id": "3", "source": "crm"} is not the external id of a contact'],
            title: ["must not be blank"],
          },
        },
        {
          index: 3,
          code: "VALIDATION_ERROR",
          fields: { company: ["cannot be combined with companyId"] },
        },
        { index: 5, code: "VALIDATION_ERROR", fields: { companyId: ["is required"] } },
      ],
    });
  }));

test.each([
  ["1"],
  [1],
  [[]],
  [{}],
  [{ external_id: null }],
  [{ external_id: "1" }],
  [{ external_id: { source: "crm" } }],
  [{ external_id: { source: "crm", id: 1 } }],
  [{ external_id: { source: "crm", id: "1", more: 1 } }],
  [{ external_id: { source: "crm", id: "1" }, id: "1" }],
])("a reference in another form is refused: %j", (company) =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    await acme(client);
    expect((await bulk(client, "contact", "create", ada({ company }))).faults).toEqual([
      {
        index: 0,
        code: "VALIDATION_ERROR",
        fields: { company: ["must have an externalId with a source and an id"] },
      },
    ]);
  }),
);

test("a row to delete has no references", () =>
  withRollback(async (client) => {
    const id = await acme(client);
    expect((await bulk(client, "company", "delete", { id, company: crm("1") })).faults).toMatchObject([
      { fields: { company: ["is not a field that can be given here"] } },
    ]);
  }));

test("one row is resolved, or refused with all its faults", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ada");
    const company = await acme(client);
    const resolve = "select crm_private.resolve_row($1, $2, $3) as value";
    expect(await one(client, resolve, "contact", "create", ada({ company: crm("1") }))).toEqual(
      ada({ company_id: company }),
    );
    expect(
      await refusal(client, resolve, ["contact", "create", ada({ last_name: "", company: crm("2") })]),
    ).toMatchObject({
      code: "23514",
      constraint: "contacts_references_known",
      fields: {
        company: ['{"id": "2", "source": "crm"} is not the external id of a company'],
        lastName: ["must not be blank"],
      },
    });
    expect(
      await refusal(client, resolve, ["contact", "create", ada({ company: crm("2") })]),
    ).toMatchObject({ code: "23503", fields: { company: [expect.any(String)] } });
    expect(await one(client, "select count(*)::int as value from crm.contacts")).toBe(0);
  }));

test("rows are found by many external ids, in their order", () =>
  withRollback(async (client) => {
    await bulk(client, "company", "upsert", ...["1", "2", "3"].map((id) => ({ ...crm(id), name: id })));
    await asRole(client, "crm_reader", "ada");
    expect(
      await one(
        client,
        `select array_agg(name) as value
         from crm.companies_by_external_ids('crm', '{3,9,1,3}') as company`,
      ),
    ).toEqual(["3", "1"]);
    expect(
      await one(
        client,
        `select count(*)::int as value
         from crm_private.rows_with_external_ids('company', '{crm,crm,hub,crm}', '{1,2,3,1}')`,
      ),
    ).toBe(2);
  }));
