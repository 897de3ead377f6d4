import { expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

const parts = "street city state postalCode country";
const create = `mutation ($address: AddressInput) {
  createCompany(input: { company: { name: "Acme", address: $address } }) {
    company { id address { ${parts} } }
  }
}`;

interface Created {
  createCompany: { company: { id: string; address: Record<string, string | null> | null } };
}

async function created(address: object | null) {
  const { data, errors } = await crm.graphql<Created>(create, { address });
  expect(errors).toBeUndefined();
  return data?.createCompany.company ?? { id: "", address: null };
}

const stored = (id: string) =>
  withConnection(crm.database.ownerUrl, async (client) => {
    const { rows } = await client.query("select address from crm.companies where id = $1", [id]);
    return (rows[0] as { address: unknown }).address;
  });

const none = { street: null, city: null, state: null, postalCode: null, country: null };

test("each part is a field; what is not given, or null, is not stored", async () => {
  const { id, address } = await created({ city: "Köln", postalCode: "50667", country: null });
  expect(address).toEqual({ ...none, city: "Köln", postalCode: "50667" });
  expect(await stored(id)).toEqual({ city: "Köln", postalCode: "50667" });
  expect((await created(null)).address).toBeNull();
  // What a client has read, it can write.
  const again = await created(address);
  expect(await stored(again.id)).toEqual({ city: "Köln", postalCode: "50667" });
});

test("an update replaces the whole address, also in bulk", async () => {
  const { id } = await created({ city: "Köln", country: "DE" });
  const update = `mutation ($id: ID!, $address: AddressInput) {
    updateCompany(input: { id: $id, patch: { address: $address } }) { company { address { ${parts} } } }
  }`;
  await crm.graphql(update, { id, address: { city: "Bonn", state: null } });
  expect(await stored(id)).toEqual({ city: "Bonn" });
  const many = `mutation ($rows: [CompanyUpdate!]!) {
    updateCompanies(input: { companies: $rows }) { companies { address { city street } } }
  }`;
  expect(
    await crm.graphql(many, { rows: [{ id, address: { street: "Ring 1", city: null } }] }),
  ).toMatchObject({
    data: { updateCompanies: { companies: [{ address: { city: null, street: "Ring 1" } }] } },
  });
  expect(await stored(id)).toEqual({ street: "Ring 1" });
});

test("a merge takes an address as it was read", async () => {
  const { id, address } = await created({ city: "Köln" });
  const { id: other } = await created({ city: "Bonn" });
  const { errors } = await crm.graphql(
    `mutation ($input: MergeCompaniesInput!) { mergeCompanies(input: $input) { clientMutationId } }`,
    { input: { winner: id, losers: [other], fields: { address } } },
  );
  expect(errors).toBeUndefined();
  expect(await stored(id)).toEqual({ city: "Köln" });
});

test("faults name the part", async () => {
  for (const [address, fields] of [
    [{ planet: "Mars" }, { "address.planet": ["is not a field that can be given here"] }],
    [{ city: 5 }, { "address.city": ["must be text"] }],
    [{ city: "x".repeat(256) }, { "address.city": [expect.any(String)] }],
    ["Bonn", { address: ["must be an object"] }],
  ] as const) {
    const { errors } = await crm.graphql(
      "mutation ($input: CreateCompanyInput!) { createCompany(input: $input) { company { id } } }",
      { input: { company: { name: "Acme", address } } },
    );
    expect(errors?.[0]?.extensions).toMatchObject({ code: "VALIDATION_ERROR", fields });
  }
});

test("lists are filtered by city and country, also through a relation", async () => {
  const { id } = await created({ city: "Ålesund", country: "NO" });
  await created({ city: "Oslo", country: "NO" });
  await crm.create("contact", { firstName: "Ada", lastName: "King", companyId: id });
  const { data, errors } = await crm.graphql(`{
    one: companies(filter: { address: { city: { equalTo: "Ålesund" }, country: { in: ["NO", "SE"] } } }) {
      totalCount
    }
    two: companies(filter: { address: { country: { equalTo: "NO" } } }) { totalCount }
    none: companies(filter: { address: { city: { isNull: true }, country: { equalTo: "NO" } } }) {
      totalCount
    }
    contacts(filter: { company: { address: { city: { startsWithInsensitive: "ål" } } } }) { totalCount }
  }`);
  expect(errors).toBeUndefined();
  expect(data).toEqual({
    one: { totalCount: 1 },
    two: { totalCount: 2 },
    none: { totalCount: 0 },
    contacts: { totalCount: 1 },
  });
});

test("the past has the address that it had", async () => {
  const { id } = await created({ city: "Trier" });
  const now = new Date().toISOString();
  const query = `query ($id: ID!, $at: Datetime!) { companyAsOf(id: $id, at: $at) { address { city } } }`;
  expect(await crm.graphql(query, { id, at: now.replace("Z", "999Z") })).toMatchObject({
    data: { companyAsOf: { address: { city: "Trier" } } },
  });
});
