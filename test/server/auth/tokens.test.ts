import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from "@jest/globals";
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, type JWK } from "jose";

import { createAuthenticate } from "../../../server/auth/authenticate.ts";
import { signToken } from "../../../server/auth/token.ts";
import type { TokenRules } from "../../../server/auth/token-keys.ts";

const good = { sub: "ann", role: "member" };
const believed = { role: "crm_member", "crm.user_id": "ann", "crm.source": "api" };
const refused = { code: "UNAUTHENTICATED", message: "A valid bearer token is required" };

/** Now and then, in seconds since 1970. */
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

interface Signer {
  readonly jwk: JWK;
  /** The public key again, as text that could be taken for a secret. */
  readonly pem: string;
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** A key pair with the id `kid`. */
async function makeSigner(alg: string, kid: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    jwk: { ...(await exportJWK(publicKey)), alg, kid, use: "sig" },
    pem: await exportSPKI(publicKey),
    sign: (claims = {}, header = {}) => sign(privateKey, claims, { alg, kid, ...header }),
  };
}

function sign(
  key: Parameters<CompactSign["sign"]>[0],
  claims: Record<string, unknown>,
  header: { alg: string; [parameter: string]: unknown },
): Promise<string> {
  const payload = JSON.stringify({ ...good, exp: inSeconds(600), ...claims });
  const crit = Object.fromEntries(
    ((header.crit as string[] | undefined) ?? []).map((name) => [name, true]),
  );
  return new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader(header)
    .sign(key, { crit });
}

/** What becomes of a token. */
async function verdict(rules: TokenRules, token: string): Promise<unknown> {
  return createAuthenticate(rules)(`Bearer ${token}`);
}

describe("a secret", () => {
  const [present, previous, other] = ["present", "previous", "other"].map((name) =>
    name.padEnd(32, "."),
  ) as [string, string, string];
  const rules = { keys: { secrets: [present, previous] } };
  const key = new TextEncoder().encode(present);
  const by = (secret: string) => signToken(secret, { role: "member", user: "ann", expires: "1m" });

  test("is the present one or, during a rotation, the previous one", async () => {
    expect(await verdict(rules, await by(present))).toEqual(believed);
    expect(await verdict(rules, await by(previous))).toEqual(believed);
    await expect(verdict(rules, await by(other))).rejects.toMatchObject(refused);
    await expect(
      verdict({ keys: { secrets: [present] } }, await by(previous)),
    ).rejects.toMatchObject(refused);
  });

  test.each([
    ["expired within the leeway", { exp: inSeconds(-20) }, true],
    ["expired before it", { exp: inSeconds(-40) }, false],
    ["not valid yet, within the leeway", { nbf: inSeconds(20) }, true],
    ["not valid yet", { nbf: inSeconds(40) }, false],
    ["with an expiry that is no number", { exp: "tomorrow" }, false],
    ["with a subject that is no text", { sub: 7 }, false],
    ["with a list of subjects", { sub: ["ann"] }, false],
    ["with a list of roles", { role: ["member"] }, false],
  ])("signs a token %s", async (_, claims, isGood) => {
    const outcome = verdict(rules, await sign(key, claims, { alg: "HS256" }));
    if (isGood) expect(await outcome).toEqual(believed);
    else await expect(outcome).rejects.toMatchObject(refused);
  });

  test.each(["b64", "exp"])("signs no token with an extension, be it %s", async (extension) => {
    const header = { alg: "HS256", crit: [extension], [extension]: true };
    await expect(verdict(rules, await sign(key, {}, header))).rejects.toMatchObject(refused);
  });

  test.each([
    ["the issuer and the audience", { iss: "us", aud: "crm" }, true],
    ["the audience among others", { iss: "us", aud: ["mail", "crm"] }, true],
    ["another issuer", { iss: "them", aud: "crm" }, false],
    ["no issuer", { aud: "crm" }, false],
    ["another audience", { iss: "us", aud: "mail" }, false],
    ["no audience", { iss: "us" }, false],
  ])("signs, where they are configured, a token with %s", async (_, claims, isGood) => {
    const asked = { ...rules, issuer: "us", audience: "crm" };
    const outcome = verdict(asked, await sign(key, claims, { alg: "HS256" }));
    if (isGood) expect(await outcome).toEqual(believed);
    else await expect(outcome).rejects.toMatchObject(refused);
  });

  test("signs on the command line what the server then believes", async () => {
    const asked = { ...rules, issuer: "us", audience: "crm" };
    const request = { role: "member", user: "ann", expires: "1m" } as const;
    expect(await verdict(asked, await signToken(present, request, asked))).toEqual(believed);
  });
});

describe("a token that was verified", () => {
  const secret = "secret".padEnd(32, ".");
  const rules = { keys: { secrets: [secret] } };
  const key = new TextEncoder().encode(secret);
  const begin = 1_800_000_000;

  beforeEach(() => {
    jest.useFakeTimers({ now: begin * 1000, doNotFake: ["nextTick", "queueMicrotask"] });
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  /** Authenticates with one token at several times, in seconds. Returns how often it was verified. */
  async function verifications(token: string, times: readonly number[]): Promise<number> {
    const verify = jest.spyOn(crypto.subtle, "verify").mockClear();
    const authenticate = createAuthenticate(rules);
    for (const seconds of times) {
      jest.setSystemTime((begin + seconds) * 1000);
      expect(await authenticate(`Bearer ${token}`)).toEqual(believed);
    }
    return verify.mock.calls.length;
  }

  test("is verified again after half a minute, and not before", async () => {
    const token = await sign(key, {}, { alg: "HS256" });
    expect(await verifications(token, [0, 1, 29])).toBe(1);
    expect(await verifications(token, [0, 31, 60, 62])).toBe(3);
  });

  test("is verified each time once it has expired, and refused after the leeway", async () => {
    const token = await sign(key, { exp: begin + 10 }, { alg: "HS256" });
    expect(await verifications(token, [0, 9, 11, 12, 39])).toBe(4);
    const authenticate = createAuthenticate(rules);
    jest.setSystemTime(begin * 1000);
    expect(await authenticate(`Bearer ${token}`)).toEqual(believed);
    jest.setSystemTime((begin + 41) * 1000);
    await expect(authenticate(`Bearer ${token}`)).rejects.toMatchObject(refused);
  });

  test("says nothing of another token with the same beginning", async () => {
    const token = await sign(key, {}, { alg: "HS256" });
    const authenticate = createAuthenticate(rules);
    expect(await authenticate(`Bearer ${token}`)).toEqual(believed);
    await expect(authenticate(`Bearer ${token.slice(0, -2)}AA`)).rejects.toMatchObject(refused);
    await expect(authenticate(`Bearer ${token}x`)).rejects.toMatchObject(refused);
  });
});

describe("a key set", () => {
  let server: Server;
  let url: string;
  let keys: JWK[] = [];
  let fetched = 0;
  let isDown = false;
  let signers: Record<"RS256" | "ES256" | "EdDSA" | "RS512" | "stranger", Signer>;

  beforeAll(async () => {
    server = createServer((_request, response) => {
      fetched += 1;
      response.statusCode = isDown ? 500 : 200;
      response.end(JSON.stringify({ keys }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    signers = {
      RS256: await makeSigner("RS256", "rsa"),
      ES256: await makeSigner("ES256", "ec"),
      EdDSA: await makeSigner("EdDSA", "ed"),
      RS512: await makeSigner("RS512", "rsa512"),
      stranger: await makeSigner("ES256", "stranger"),
    };
    keys = ["RS256", "ES256", "EdDSA", "RS512"].map(
      (name) => signers[name as keyof typeof signers].jwk,
    );
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(() => {
    server.close();
  });

  test.each(["RS256", "ES256", "EdDSA"] as const)("verifies %s", async (alg) => {
    expect(await verdict({ keys: { jwksUrl: url } }, await signers[alg].sign())).toEqual(believed);
  });

  test("is fetched once, however many tokens come", async () => {
    const authenticate = createAuthenticate({ keys: { jwksUrl: url } });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => signers.ES256.sign()));
    fetched = 0;
    await Promise.all(tokens.map((token) => authenticate(`Bearer ${token}`)));
    for (const token of tokens) await authenticate(`Bearer ${token}`);
    expect(fetched).toBe(1);
  });

  test("does not verify what it does not hold, other algorithms, or none", async () => {
    const rules = { keys: { jwksUrl: url } };
    const { RS256, ES256, RS512, stranger } = signers;
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { ...good, exp: inSeconds(600) };
    for (const token of [
      await stranger.sign(),
      await stranger.sign({}, { kid: "ec" }),
      await ES256.sign({}, { kid: "rsa" }),
      await ES256.sign({}, { kid: undefined, crit: ["b64"], b64: true }),
      await RS512.sign(),
      await sign(new TextEncoder().encode(RS256.pem), {}, { alg: "HS256", kid: "rsa" }),
      `${part({ alg: "none", kid: "rsa" })}.${part(claims)}.`,
      `${part({ alg: "RS256", kid: "rsa" })}.${part(claims)}.`,
    ]) {
      await expect(verdict(rules, token)).rejects.toMatchObject(refused);
    }
  });

  test("is fetched again for a key that it does not hold, but not for every one", async () => {
    const authenticate = createAuthenticate({ keys: { jwksUrl: url } });
    const [before, after] = [await makeSigner("ES256", "a"), await makeSigner("ES256", "b")];
    const saved = keys;
    keys = [before.jwk];
    try {
      const remembered = `Bearer ${await before.sign()}`;
      expect(await authenticate(remembered)).toEqual(believed);
      keys = [after.jwk];
      fetched = 0;
      const rotated = `Bearer ${await after.sign()}`;
      for (let i = 0; i < 10; i += 1) {
        await expect(authenticate(rotated)).rejects.toMatchObject(refused);
      }
      expect(fetched).toBe(0);

      const now = Date.now();
      jest.spyOn(Date, "now").mockImplementation(() => now + 31_000);
      expect(await authenticate(rotated)).toEqual(believed);
      expect(fetched).toBe(1);
      await expect(authenticate(`Bearer ${await before.sign()}`)).rejects.toMatchObject(refused);
      await expect(authenticate(remembered)).rejects.toMatchObject(refused);
    } finally {
      keys = saved;
    }
  });

  test("that cannot be fetched makes the service unavailable, and no token bad", async () => {
    const authenticate = createAuthenticate({ keys: { jwksUrl: url } });
    const token = `Bearer ${await signers.ES256.sign()}`;
    isDown = true;
    await expect(authenticate(token)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    isDown = false;
    expect(await authenticate(token)).toEqual(believed);
  });

  test("in a file is read again when it changes, and kept while it cannot be read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pgcrm-keys-"));
    const jwksFile = join(folder, "keys.json");
    const write = (...held: JWK[]) => writeFileSync(jwksFile, JSON.stringify({ keys: held }));
    try {
      write(signers.ES256.jwk);
      const authenticate = createAuthenticate({ keys: { jwksFile } });
      const token = `Bearer ${await signers.ES256.sign()}`;
      expect(await authenticate(token)).toEqual(believed);
      writeFileSync(jwksFile, '{"keys": [');
      expect(await authenticate(token)).toEqual(believed);
      write(signers.RS256.jwk);
      await expect(authenticate(token)).rejects.toMatchObject(refused);
      expect(await authenticate(`Bearer ${await signers.RS256.sign()}`)).toEqual(believed);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
