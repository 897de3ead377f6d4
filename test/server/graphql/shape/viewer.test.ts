import { expect, test } from "@jest/globals";

import { type Caller, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

interface Viewer {
  userId: string;
  role: string;
  apiKeyName: string | null;
  canAdministrate: boolean;
  rights: { entityType: string; canCreate: boolean; canUpdate: boolean; canDelete: boolean }[];
}

async function viewer(caller: Caller): Promise<Viewer | undefined> {
  const { data, errors } = await crm.graphql<{ viewer: Viewer }>(
    `{ viewer { userId role apiKeyName canAdministrate
         rights { entityType canCreate canUpdate canDelete } } }`,
    {},
    caller,
  );
  expect(errors).toBeUndefined();
  return data?.viewer;
}

const records = ["company", "contact", "deal", "task", "note"];

test.each([
  ["reader", false, [], []],
  ["member", false, records, []],
  ["admin", true, records, ["pipeline_stage", "exchange_rate", "custom_field_definition"]],
] as const)("a %s sees the user, the role and the rights", async (role, isAdmin, own, more) => {
  const seen = await viewer({ role, user: "ann" });
  expect(seen).toMatchObject({ userId: "ann", role, apiKeyName: null, canAdministrate: isAdmin });
  const writable = seen?.rights.filter(
    ({ canCreate, canUpdate, canDelete }) => canCreate && canUpdate && canDelete,
  );
  expect(writable?.map(({ entityType }) => entityType).sort()).toEqual([...own, ...more].sort());
  const others = seen?.rights.filter((right) => !writable?.includes(right)) ?? [];
  expect(others.some((right) => right.canCreate || right.canUpdate || right.canDelete)).toBe(false);
});

test("an API key sees its name", async () => {
  const { data } = await crm.graphql<{ createApiKey: { issuedApiKey: { key: string } } }>(
    `mutation { createApiKey(input: { name: "sync", role: member }) { issuedApiKey { key } } }`,
    {},
    { role: "admin", user: "root" },
  );
  const response = await fetch(`${crm.url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${data?.createApiKey.issuedApiKey.key}`,
    },
    body: JSON.stringify({ query: "{ viewer { userId role apiKeyName canAdministrate } }" }),
  });
  expect(await response.json()).toEqual({
    data: {
      viewer: { userId: "key:sync", role: "member", apiKeyName: "sync", canAdministrate: false },
    },
  });
});
