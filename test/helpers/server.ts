import type { AddressInfo } from "node:net";

import { pino } from "pino";

import { createApp } from "../../server/app.ts";
import { signToken, type TokenRole } from "../../server/token.ts";

/** The secret of every server that a test starts. */
export const jwtSecret = "the secret of the tests, long enough";

/** An answer of GraphQL, as a client reads it. */
export interface Answer {
  status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a test asked for, it knows
  data: any;
  errors?: {
    message: string;
    path?: (string | number)[];
    extensions: { code: string; [key: string]: unknown };
  }[];
}

export interface Caller {
  role?: TokenRole;
  user?: string;
}

export interface TestServer {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** Every line that the server logged. */
  log: Record<string, unknown>[];
  /** Asks as an administrator called `tester`, unless told otherwise. */
  graphql(query: string, variables?: Record<string, unknown>, caller?: Caller): Promise<Answer>;
  close(): Promise<void>;
}

/** Serves a database on a free port of the loopback interface. */
export async function startTestServer(
  serverUrl: string,
  options: { poolSize?: number; production?: boolean } = {},
): Promise<TestServer> {
  const log: Record<string, unknown>[] = [];
  const logger = pino(
    { level: "info" },
    { write: (line) => void log.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const app = await createApp({ serverUrl, poolSize: 4, jwtSecret, logger, production: false, ...options });
  const server = await app.listen(0, "127.0.0.1");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    log,
    async graphql(query, variables = {}, { role = "admin", user = "tester" } = {}) {
      const token = await signToken(jwtSecret, { role, user, expires: "5m" });
      const response = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ query, variables }),
      });
      return { status: response.status, ...((await response.json()) as Omit<Answer, "status">) };
    },
    close: () => app.close(),
  };
}
