import { connect } from "node:net";

import { afterAll, afterEach, beforeAll, expect } from "@jest/globals";

import { signToken } from "../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { jwtSecret, startTestServer, type TestServer } from "../helpers/server.ts";

/** What no answer may hold: places in the code, statements, names and messages of the inside. */
const inside = [
  /node_modules|node:internal|\/server\/|\.[jt]s:\d+|^\s+at /m,
  /crm_private|pg_catalog|pg_proc|graphile|grafast|grafserv|postgres/i,
  /\bselect\b.*\bfrom\b|\binsert into\b|syntax error at or near|relation "|violates/i,
  /\bDETAIL\b|\bHINT\b|stack|exception/,
];

/** The server that is attacked: as in production, and short of patience. */
export interface Target {
  readonly url: string;
  readonly database: TestDatabase;
  /** The value of `Authorization` of an administrator. */
  readonly authorization: string;
  /** Sends bytes as they are, in parts with pauses between them, and gives the whole answer. */
  send(...parts: (string | Buffer)[]): Promise<RawAnswer>;
  /** Sends a body to `/graphql`, text or whatever becomes JSON. */
  post(body: unknown, headers?: Record<string, string>): Promise<HostileAnswer>;
}

/** An answer as it came over the wire. */
export interface RawAnswer {
  /** The statuses of all answers; none, if the connection was closed without one. */
  readonly statuses: number[];
  readonly text: string;
}

export interface HostileAnswer {
  readonly status: number;
  /** The codes of all errors; none, if there is data. */
  readonly codes: string[];
  readonly body: { data?: unknown; errors?: { extensions: { code: string } }[] };
}

/** Nothing internal is in an answer. */
export function expectClean(text: string): void {
  expect(inside.filter((pattern) => pattern.test(text)).map(String)).toEqual([]);
}

/**
 * Gives every test of a file a server to attack. After each, the server answers a good request, and
 * has not met anything it did not expect.
 */
export function useTarget(): Target {
  let database: TestDatabase;
  let server: TestServer;
  let authorization: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startTestServer(database.serverUrl, {
      production: true,
      timeouts: { request: 500 },
    });
    const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "1h" });
    authorization = `Bearer ${token}`;
  });
  afterAll(async () => {
    await server.close();
    await database.drop();
  });
  afterEach(async () => {
    expect(await server.graphql("{ currentUserId }")).toHaveProperty("data.currentUserId");
    const logged = server.log.splice(0);
    expect(logged.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  return {
    get url() {
      return server.url;
    },
    get database() {
      return database;
    },
    get authorization() {
      return authorization;
    },

    async send(...parts) {
      const { hostname, port } = new URL(server.url);
      const socket = connect(Number(port), hostname);
      socket.on("error", () => undefined); // a reset is an answer, too
      let text = "";
      socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
      const closed = new Promise((resolve) => socket.once("close", resolve));
      for (const part of parts) {
        socket.write(part);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await closed;
      expectClean(text);
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
      return { statuses, text };
    },

    async post(body, headers = {}) {
      const response = await fetch(`${server.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      const text = await response.text();
      expectClean(text);
      const answer = JSON.parse(text) as HostileAnswer["body"];
      const codes = answer.errors?.map(({ extensions }) => extensions.code) ?? [];
      return { status: response.status, codes, body: answer };
    },
  };
}
