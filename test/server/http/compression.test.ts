import { once } from "node:events";
import { get, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { signToken } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../../helpers/server.ts";

const small = "{ __typename }";
const large = `{ ${Array.from({ length: 20 }, (_, i) => `a${i}: pipelineStages { nodes { id name createdAt } }`).join(" ")} }`;

let database: TestDatabase;
let servers: [name: string, server: TestServer][];
let authorization: string;

beforeAll(async () => {
  database = await createTestDatabase();
  servers = [
    ["development", await startTestServer(database.serverUrl)],
    ["production", await startTestServer(database.serverUrl, { production: true })],
  ];
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  authorization = `Bearer ${token}`;
});
afterAll(async () => {
  for (const [, server] of servers) await server.close();
  await database.drop();
});

interface Raw {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Asks by node:http, which decompresses nothing. */
async function ask(url: string, query: string, encodings?: string): Promise<Raw> {
  const request = get(`${url}/graphql?query=${encodeURIComponent(query)}`, {
    headers: {
      authorization,
      ...(encodings === undefined ? {} : { "accept-encoding": encodings }),
    },
  });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

test("a response of more than 1 kB is compressed as the client accepts", async () => {
  for (const [, { url }] of servers) {
    const plain = await ask(url, large);
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(plain.headers.vary).toMatch(/accept-encoding/i);
    expect(plain.body.length).toBeGreaterThan(10_000);
    for (const [accepted, encoding, decompress] of [
      ["gzip, deflate, br", "br", brotliDecompressSync],
      ["gzip, deflate", "gzip", gunzipSync],
      ["br;q=0, gzip", "gzip", gunzipSync],
    ] as const) {
      const packed = await ask(url, large, accepted);
      expect(packed.headers["content-encoding"]).toBe(encoding);
      expect(packed.headers["content-length"]).toBeUndefined();
      expect(packed.body.length).toBeLessThan(plain.body.length / 5);
      expect(decompress(packed.body).equals(plain.body)).toBe(true);
    }
  }
});

test("a small response is not compressed, nor one to a client that accepts no compression", async () => {
  for (const [, { url }] of servers) {
    for (const { status, headers, body } of [
      await ask(url, small, "gzip, br"),
      await ask(url, large, "identity"),
      await ask(url, large, "*;q=0, identity"),
    ]) {
      expect(status).toBe(200);
      expect(headers["content-encoding"]).toBeUndefined();
      expect(headers["content-length"]).toBe(String(body.length));
    }
  }
});

test("an error is compressed like any other response", async () => {
  const faulty = `{ ${Array.from({ length: 20 }, (_, i) => `unknown${i}`).join(" ")} }`;
  for (const [, { url }] of servers) {
    const { headers, body } = await ask(url, faulty, "gzip");
    expect(headers["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(body).toString())).toHaveProperty("errors.length", 20);
  }
});

test("compression can be switched off", async () => {
  const off = await startTestServer(database.serverUrl, { compression: false });
  try {
    const { headers } = await ask(off.url, large, "gzip, br");
    expect(headers["content-encoding"]).toBeUndefined();
  } finally {
    await off.close();
  }
});

test("a client that leaves while its response is compressed harms no other", async () => {
  const [[, server] = []] = servers;
  const url = server?.url ?? "";
  for (let i = 0; i < 20; i += 1) {
    const request = get(`${url}/graphql?query=${encodeURIComponent(large)}`, {
      headers: { authorization, "accept-encoding": "br" },
    });
    request.on("error", () => undefined);
    request.once("response", () => request.destroy());
    await once(request, "close");
  }
  expect((await ask(url, large, "br")).status).toBe(200);
});
