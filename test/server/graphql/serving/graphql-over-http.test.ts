import { expect, test } from "@jest/globals";
import { serverAudits } from "graphql-http";

import { signToken } from "../../../../server/auth/token.ts";
import { jwtSecret, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const audits = serverAudits({ url: () => `${crm.url}/graphql`, fetchFn: fetchWithToken });

/** What `fetch` does, as somebody who may ask. */
async function fetchWithToken(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = await signToken(jwtSecret, { role: "reader", user: "auditor", expires: "1m" });
  headers.set("authorization", `Bearer ${token}`);
  return fetch(url, { ...init, headers });
}

// Each audit is named by its requirement in the specification of GraphQL over HTTP.
test.each(audits.map(({ name, fn }) => [name, fn] as const))("a server %s", async (_, audit) => {
  const result = await audit();
  expect(result.status === "ok" ? undefined : result.reason).toBeUndefined();
});
