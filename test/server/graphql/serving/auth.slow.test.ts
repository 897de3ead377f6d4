import { describe, expect, test } from "@jest/globals";
import { SignJWT } from "jose";

import { signToken } from "../../../../server/auth/token.ts";
import { jwtSecret, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const key = new TextEncoder().encode(jwtSecret);
const soon = Math.floor(Date.now() / 1000) + 60;
const good = { sub: "ann", role: "admin", exp: soon };

async function ask(authorization?: string, query = "{ currentUserId }") {
  const response = await fetch(`${crm.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(authorization ? { authorization } : {}) },
    body: JSON.stringify({ query }),
  });
  return { status: response.status, body: await response.json() };
}

function token(claims: Record<string, unknown>, secret = key, alg = "HS256") {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(secret);
}

const refused = {
  status: 401,
  body: {
    errors: [
      {
        message: "A valid bearer token is required",
        extensions: { code: "UNAUTHENTICATED", requestId: expect.any(String) },
      },
    ],
  },
};

describe("a request", () => {
  test("without a token gets no data, not even the schema", async () => {
    expect(await ask()).toEqual(refused);
    expect(await ask(undefined, "{ __schema { types { name } } }")).toEqual(refused);
    expect((await fetch(`${crm.url}/graphql?query={currentUserId}`)).status).toBe(401);
  });

  test("with a good token runs as its user, and reads by GET too", async () => {
    const authorization = `Bearer ${await token(good)}`;
    expect(await ask(authorization)).toEqual({
      status: 200,
      body: { data: { currentUserId: "ann" } },
    });
    const get = (query: string) =>
      fetch(`${crm.url}/graphql?query=${encodeURIComponent(query)}`, {
        headers: { authorization },
      });
    expect(await (await get("{ currentUserId }")).json()).toEqual({
      data: { currentUserId: "ann" },
    });
    expect((await get("mutation { __typename }")).status).toBe(405);
  });

  test("with a token that the command line signed is let in", async () => {
    const signed = await signToken(jwtSecret, { role: "reader", user: "bob", expires: "1m" });
    expect(await ask(`Bearer ${signed}`)).toMatchObject({
      body: { data: { currentUserId: "bob" } },
    });
  });

  test.each([
    ["no expiry", { ...good, exp: undefined }],
    ["an expiry that has passed", { ...good, exp: soon - 120 }],
    ["no subject", { ...good, sub: undefined }],
    ["an empty subject", { ...good, sub: "" }],
    ["a blank subject", { ...good, sub: "  " }],
    ["a subject of 256 characters", { ...good, sub: "x".repeat(256) }],
    ["a subject with NUL", { ...good, sub: "a\0b" }],
    ["a subject that claims to be a database session", { ...good, sub: "db:postgres" }],
    ["a subject that claims to be an API key", { ...good, sub: "key:zapier" }],
    ["a subject that looks like an API key", { ...good, sub: "Key:zapier" }],
    ["a subject that looks like one from behind white space", { ...good, sub: "\u00a0key:zapier" }],
    ["a subject that looks like one from behind nothing", { ...good, sub: "\u200bkey:zapier" }],
    ["no role", { ...good, role: undefined }],
    ["a role of the database", { ...good, role: "crm_admin" }],
    ["the role of a superuser", { ...good, role: "postgres" }],
  ])("with %s is refused", async (_, claims) => {
    expect(await ask(`Bearer ${await token(claims)}`)).toEqual(refused);
  });

  test("signed by somebody else, by another algorithm or by nobody is refused", async () => {
    const other = new TextEncoder().encode("another secret, which is long enough too");
    expect(await ask(`Bearer ${await token(good, other)}`)).toEqual(refused);
    expect(await ask(`Bearer ${await token(good, key, "HS512")}`)).toEqual(refused);
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    expect(await ask(`Bearer ${part({ alg: "none" })}.${part(good)}.`)).toEqual(refused);
  });

  test.each(["", "Bearer", "Bearer x", "Basic YW5uOnNlY3JldA=="])(
    "with the header %j is refused",
    async (authorization) => {
      expect(await ask(authorization)).toEqual(refused);
    },
  );
});

test("why a token was refused is in the log, and the token is not", async () => {
  const refusedToken = await token({ ...good, role: "postgres" });
  await ask(`Bearer ${refusedToken}`);
  expect(crm.log).toContainEqual(expect.objectContaining({ reason: "claim role" }));
  expect(JSON.stringify(crm.log)).not.toContain(refusedToken);
});

test("who asks is who the audit log names, as a client of the API", async () => {
  const id = await crm.create("company", { name: "Acme" }, { role: "member", user: "müller" });
  expect(
    await crm.graphql(`{
      company(id: "${id}") { createdBy updatedBy history { nodes { userId source } } }
    }`),
  ).toMatchObject({
    data: {
      company: {
        createdBy: "müller",
        updatedBy: "müller",
        history: { nodes: [{ userId: "müller", source: "api" }] },
      },
    },
  });
});
