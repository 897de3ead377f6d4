import { createHmac, generateKeyPairSync, sign } from "node:crypto";

import { describe, expect, test } from "@jest/globals";

import { jwtSecret } from "../helpers/server.ts";
import { expectClean, useTarget } from "./target.ts";

const target = useTarget();

const query = JSON.stringify({ query: "{ currentUserId }" });
const now = Math.floor(Date.now() / 1000);
const claims = { sub: "mallory", role: "admin", iat: now, exp: now + 600 };
const header = { alg: "HS256", typ: "JWT" };

const part = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token with these parts, signed as the server expects it, whatever its header says. */
function forge(head: unknown, body: unknown, secret: string | Buffer = jwtSecret): string {
  const content = `${part(head)}.${part(body)}`;
  return `${content}.${createHmac("sha256", secret).update(content).digest("base64url")}`;
}

async function ask(authorization: string) {
  const response = await fetch(`${target.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body: query,
  });
  const text = await response.text();
  expectClean(text);
  return { status: response.status, body: JSON.parse(text) as unknown };
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

test("a token that is made like this, and is in order, is believed", async () => {
  const accepted = { status: 200, body: { data: { currentUserId: "mallory" } } };
  expect(await ask(`Bearer ${forge(header, claims)}`)).toEqual(accepted);
});

describe("a token is refused", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = rsa.publicKey.export({ format: "jwk" });
  const good = forge(header, claims);
  const [goodHeader = "", goodBody = "", goodSignature = ""] = good.split(".");
  const content = `${part({ alg: "RS256" })}.${part(claims)}`;
  const byRsa = `${content}.${sign("sha256", Buffer.from(content), rsa.privateKey).toString("base64url")}`;

  const heads: Record<string, unknown> = {
    "no algorithm": { typ: "JWT" },
    "the algorithm none": { alg: "none" },
    "the algorithm None": { alg: "None" },
    "the algorithm NONE": { alg: "NONE" },
    "an empty algorithm": { alg: "" },
    "the algorithm in lower case": { alg: "hs256" },
    "another length": { alg: "HS512" },
    "an algorithm of public keys": { alg: "RS256" },
    "the algorithm of another curve": { alg: "ES256" },
    "an algorithm that encrypts": { alg: "dir", enc: "A256GCM" },
    "a list of algorithms": { alg: ["HS256"] },
    "an object for an algorithm": { alg: { toString: "HS256" } },
    "a member of every object for an algorithm": { alg: "constructor" },
    "an extension that must be understood": { ...header, crit: ["exp"], exp: now },
    "an extension that nobody knows": { ...header, crit: ["x"], x: 1 },
    "an empty list of extensions": { ...header, crit: [] },
    "a list of extensions that is none": { ...header, crit: "b64" },
    "a payload that is not encoded": { ...header, crit: ["b64"], b64: false },
    "no header": null,
    "a list for a header": [],
    "a header that is text": "HS256",
    "a header that is no JSON": "{",
    "an empty header": {},
  };
  test.each(Object.keys(heads))("with %s", async (name) => {
    expect(await ask(`Bearer ${forge(heads[name], claims)}`)).toEqual(refused);
  });

  const bodies: Record<string, unknown> = {
    "no claims": {},
    "claims that are null": null,
    "claims in a list": [claims],
    "claims that are text": "admin",
    "claims that are no JSON": "{",
    "no subject": { ...claims, sub: undefined },
    "a subject that is null": { ...claims, sub: null },
    "an empty subject": { ...claims, sub: "" },
    "a blank subject": { ...claims, sub: " \t" },
    "a subject of zero width": { ...claims, sub: "\u200B" },
    "a subject that is a number": { ...claims, sub: 7 },
    "a list of subjects": { ...claims, sub: ["mallory"] },
    "a subject that is an object": { ...claims, sub: { toString: "x" } },
    "a subject of 256 characters": { ...claims, sub: "x".repeat(256) },
    "a subject with NUL": { ...claims, sub: "a\0b" },
    "a subject with a line break": { ...claims, sub: "a\nb" },
    "the subject of a database session": { ...claims, sub: "db:postgres" },
    "a lone surrogate for a subject": { ...claims, sub: "a\ud800" },
    "no role": { ...claims, role: undefined },
    "a role that is null": { ...claims, role: null },
    "an empty role": { ...claims, role: "" },
    "a list of roles": { ...claims, role: ["admin"] },
    roles: { ...claims, role: "reader,admin" },
    "a role that is a number": { ...claims, role: 0 },
    "a role that is an object": { ...claims, role: { admin: true } },
    "a role in upper case": { ...claims, role: "ADMIN" },
    "a role with a space": { ...claims, role: "admin " },
    "a role of the database": { ...claims, role: "crm_admin" },
    "the role of the owner": { ...claims, role: "postgres" },
    "the role of the server": { ...claims, role: "server" },
    "a role that is a statement": { ...claims, role: "admin; set role postgres" },
    "a role of every object": { ...claims, role: "constructor" },
    "no expiry": { ...claims, exp: undefined },
    "an expiry that is null": { ...claims, exp: null },
    "an expiry that is text": { ...claims, exp: String(now + 600) },
    "an expiry that has passed": { ...claims, exp: now - 600 },
    "an expiry of zero": { ...claims, exp: 0 },
    "an expiry below zero": { ...claims, exp: -1 },
    "an expiry that no number holds": `{"sub":"a","role":"admin","exp":1e999}`,
    "a beginning that is to come": { ...claims, nbf: now + 600 },
    "a beginning that is text": { ...claims, nbf: "x" },
  };
  test.each(Object.keys(bodies))("with %s", async (name) => {
    expect(await ask(`Bearer ${forge(header, bodies[name])}`)).toEqual(refused);
  });

  const keys: Record<string, [head: unknown, secret: string | Buffer]> = {
    "an empty secret": [header, ""],
    "the secret of an example": [header, "secret"],
    "a null byte": [header, Buffer.from([0])],
    "the secret of a file that is empty": [{ ...header, kid: "/dev/null" }, ""],
    "the secret of a file somewhere": [{ ...header, kid: "../../../../dev/null" }, ""],
    "the key of a statement": [{ ...header, kid: "x' union select 'key" }, "key"],
    "the key of a command": [{ ...header, kid: "| whoami" }, "key"],
    "a key in its own header": [{ ...header, jwk }, "key"],
    "a secret in its own header": [{ ...header, jwk: { kty: "oct", k: part("key") } }, "key"],
    "a key at an address": [{ ...header, jku: "http://127.0.0.1:1/keys" }, "key"],
    "a certificate at an address": [{ ...header, x5u: "http://127.0.0.1:1/cert" }, "key"],
    "a certificate in its own header": [{ ...header, x5c: ["MIIB"] }, "key"],
  };
  test.each(Object.keys(keys))("signed with %s", async (name) => {
    const [head, secret] = keys[name] ?? [header, ""];
    expect(await ask(`Bearer ${forge(head, claims, secret)}`)).toEqual(refused);
  });

  const texts: Record<string, string> = {
    "without a signature": `${goodHeader}.${goodBody}.`,
    "without the last part": `${goodHeader}.${goodBody}`,
    "with a part too many": `${good}.x`,
    "with nothing but dots": "..",
    "with the end of its signature cut": good.slice(0, -2),
    "with a signature that goes on": `${good}AAAA`,
    "with the signature of another": `${goodHeader}.${part({ ...claims, sub: "ann" })}.${goodSignature}`,
    "with an empty part": `${goodHeader}..${goodSignature}`,
    "in another base": good.replaceAll(".", "+"),
    "in JSON": JSON.stringify({
      payload: goodBody,
      protected: goodHeader,
      signature: goodSignature,
    }),
    "signed by a private key of its own": byRsa,
    "of 12 kilobytes": forge(header, { ...claims, role: "x".repeat(8000) }),
    "with 500 claims, the last of which counts": forge(header, {
      ...Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`c${i}`, i])),
      ...claims,
      role: "root",
    }),
    encrypted: [part({ alg: "dir", enc: "A256GCM" }), "", part("iv"), part("x"), part("tag")].join(
      ".",
    ),
    "that is text": "admin",
    "that is null": "null",
  };
  test.each(Object.keys(texts))("%s", async (name) => {
    expect(await ask(`Bearer ${texts[name] ?? ""}`)).toEqual(refused);
  });

  const schemes: Record<string, string> = {
    nothing: "",
    "no scheme": good,
    "no token": "Bearer",
    "no token, but space": "Bearer   ",
    "the scheme Basic": `Basic ${Buffer.from("admin:admin").toString("base64")}`,
    "the scheme Token": `Token ${good}`,
    "two tokens": `Bearer ${good} ${good}`,
    "two schemes": `Bearer Bearer ${good}`,
    "a comma": `Bearer ${good}, Basic x`,
    "a tab": `Bearer\t${good}`,
    quotes: `Bearer "${good}"`,
    "a parameter": `Bearer token=${good}`,
  };
  test.each(Object.keys(schemes))("in a header with %s", async (name) => {
    expect(await ask(schemes[name] ?? "")).toEqual(refused);
  });

  test.each(["access_token", "token", "authorization", "jwt"])(
    "anywhere but in its header: as %s in the query or a cookie",
    async (name) => {
      const response = await fetch(`${target.url}/graphql?${name}=${good}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          cookie: `${name}=${good}`,
          [`x-${name}`]: good,
        },
        body: query,
      });
      expect({ status: response.status, body: await response.json() }).toEqual(refused);
    },
  );
});
