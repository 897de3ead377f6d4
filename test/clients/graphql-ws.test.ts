// graphql-ws: queries over a WebSocket.

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Client, createClient } from "graphql-ws";

import { createCompany, headers, url } from "./crm.ts";

function connect(connectionParams: Record<string, unknown>): Client {
  return createClient({ url: url.replace(/^http/, "ws"), connectionParams, retryAttempts: 0 });
}

test("a query over a socket gets its response", async () => {
  const { companyId } = await createCompany("Acme", "Byron");
  const client = connect(headers);
  const responses = client.iterate<{ company: { name: string } }>({
    query: "query ($id: ID!) { company(id: $id) { name } }",
    variables: { id: companyId },
  });
  for await (const { data, errors } of responses) {
    assert.equal(errors, undefined);
    assert.deepEqual(data, { company: { name: "Acme" } });
  }
  await client.dispose();
});

test("a socket without a valid token is closed with 4403", async () => {
  const client = connect({ authorization: "Bearer none" });
  const responses = client.iterate({ query: "{ currentUserId }" });
  await assert.rejects(responses.next(), { code: 4403 });
});
