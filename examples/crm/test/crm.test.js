import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { createServer, signToken } from "pgcrm/server";

import config from "../pgcrm.config.ts";

const secret = "a secret of the tests, long enough for HS256";
const folder = mkdtempSync(join(tmpdir(), "my-crm-"));
let server;
let url;

before(async () => {
  server = await createServer({
    settings: { PGCRM_DATA: folder, JWT_SECRET: secret, LOG_LEVEL: "warn" },
    extension: config,
    migrations: join(import.meta.dirname, "../db/migrations"),
  });
  await server.ready;
  const { port } = (await server.listen(0, "127.0.0.1")).address();
  url = `http://127.0.0.1:${port}`;
});

after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

async function ask(query, variables) {
  const token = await signToken(secret, { role: "member", user: "ann", expires: "5m" });
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

test("a product belongs to a company", async () => {
  const made = await ask(`mutation {
    createCompany(input: { company: { name: "Acme" } }) { company { id } }
  }`);
  const companyId = made.data.createCompany.company.id;
  const { errors } = await ask(
    `mutation ($product: ShopProductInput!) {
      createShopProduct(input: { shopProduct: $product }) { shopProduct { id } }
    }`,
    { product: { companyId, name: "Anvil", price: "49.90" } },
  );
  assert.equal(errors, undefined);
  const { data } = await ask(`{ shopProducts { nodes { name price company { name } } } }`);
  assert.deepEqual(data.shopProducts.nodes, [
    { name: "Anvil", price: "49.90", company: { name: "Acme" } },
  ]);
});

test("a rule of pgcrm applies here too", async () => {
  const { errors } = await ask(`mutation {
    createCompany(input: { company: { name: " " } }) { company { id } }
  }`);
  assert.deepEqual(errors[0].extensions.fields, { name: ["must not be blank"] });
});

test("the application has a route of its own", async () => {
  assert.deepEqual(await (await fetch(`${url}/hello`)).json(), { hello: "world" });
});
