import type { AddressInfo } from "node:net";

import { afterAll, beforeAll } from "@jest/globals";
import { pino } from "pino";

import { type AppDeps, createApp } from "../../server/http/app.ts";
import type { Timeouts } from "../../server/postgres/timeouts.ts";
import { readConfig } from "../../server/settings.ts";
import type { TurnLimits } from "../../server/graphql/limits/turns.ts";
import type { Limits } from "../../server/graphql/limits/limits.ts";
import type { SocketLimits } from "../../server/http/sockets.ts";
import { signToken, type TokenRole } from "../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

/** The secret of every server that a test starts. */
export const jwtSecret = "the secret of the tests, long enough";

/** An answer of GraphQL, as a client reads it. */
export interface Answer<Data> {
  status: number;
  data?: Data | null;
  errors?: AnswerError[];
}

export interface AnswerError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; [key: string]: unknown };
}

export interface Caller {
  role?: TokenRole;
  user?: string;
}

/** A server that serves a database of a test's own. */
export interface TestServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Every line that the server logged. */
  readonly log: Record<string, unknown>[];
  /** Asks as an administrator called `tester`, unless told otherwise. */
  graphql<Data = unknown>(
    query: string,
    variables?: Record<string, unknown>,
    caller?: Caller,
  ): Promise<Answer<Data>>;
  /** Sends a body as it is, as the administrator `tester`. */
  send(body: string): Promise<Answer<unknown>>;
  /** Creates an entity, such as `create("company", { name: "Acme" })`, and gives its id. */
  create(entity: string, fields: Record<string, unknown>, caller?: Caller): Promise<string>;
  /** Lets running requests finish and stops. */
  close(): Promise<void>;
}

/** What a server differs in from the usual one. */
export interface ServerOptions extends Partial<
  Omit<AppDeps, "serverUrl" | "logger" | "limits" | "heavy" | "timeouts" | "sockets">
> {
  /** Whether it answers only once it is ready; yes if not given. */
  waits?: boolean;
  /** Without GraphiQL, introspection and pages of this machine, as in production. */
  production?: boolean;
  limits?: Partial<Limits>;
  heavy?: Partial<TurnLimits>;
  timeouts?: Partial<Timeouts>;
  sockets?: Partial<SocketLimits>;
}

/** Serves a database on a free port of the loopback interface. */
export async function startTestServer(
  serverUrl: string,
  {
    waits = true,
    production = false,
    limits,
    heavy,
    timeouts,
    sockets,
    ...options
  }: ServerOptions = {},
): Promise<TestServer> {
  const log: Record<string, unknown>[] = [];
  const logger = pino(
    { level: "info" },
    { write: (line) => log.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const config = readConfig({});
  const app = createApp({
    serverUrl,
    poolSize: 4,
    tokenRules: { keys: { secrets: [jwtSecret] } },
    logger,
    shutdownGrace: 5000,
    customFieldsInterval: 1000,
    allowedOrigins: [],
    rateLimits: { user: 0, address: 0 },
    trustedProxies: 0,
    graphiql: !production,
    introspection: !production,
    queriesByGet: true,
    localOrigins: !production,
    compression: true,
    limits: { ...config.limits, ...limits },
    heavy: { ...config.heavy, ...heavy },
    timeouts: { ...config.timeouts, ...timeouts },
    sockets: { ...config.sockets, ...sockets },
    ...options,
  });
  try {
    if (waits) await app.ready;
  } catch (error) {
    await app.close();
    throw error;
  }
  const server = await app.listen(0, "127.0.0.1");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function graphql<Data>(
    query: string,
    variables: Record<string, unknown> = {},
    caller: Caller = {},
  ): Promise<Answer<Data>> {
    return (await send(JSON.stringify({ query, variables }), caller)) as Answer<Data>;
  }

  async function send(
    body: string,
    { role = "admin", user = "tester" }: Caller = {},
  ): Promise<Answer<unknown>> {
    const token = await signToken(jwtSecret, { role, user, expires: "5m" });
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body,
    });
    const answer = (await response.json()) as Omit<Answer<unknown>, "status">;
    // Each is another; the tests of request ids ask without this.
    for (const error of answer.errors ?? []) delete error.extensions.requestId;
    return { status: response.status, ...answer };
  }

  return {
    url,
    log,
    graphql,
    send: (body) => send(body),
    async create(entity, fields, caller) {
      const Entity = entity.charAt(0).toUpperCase() + entity.slice(1);
      const answer = await graphql<{ payload: { created: { id: string } } }>(
        `mutation ($input: Create${Entity}Input!) {
          payload: create${Entity}(input: $input) { created: ${entity} { id } }
        }`,
        { input: { [entity]: fields } },
        caller,
      );
      if (!answer.data?.payload) throw new Error(JSON.stringify(answer));
      return answer.data.payload.created.id;
    },
    close: () => app.close(),
  };
}

/** Gives every test of a file the same server, over a database that is dropped after the last. */
export function useTestServer(): Omit<TestServer, "close"> & { readonly database: TestDatabase } {
  let server: TestServer;
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startTestServer(database.serverUrl);
  });
  afterAll(async () => {
    await server.close();
    await database.drop();
  });
  return {
    get url() {
      return server.url;
    },
    get log() {
      return server.log;
    },
    get database() {
      return database;
    },
    graphql: (query, variables, caller) => server.graphql(query, variables, caller),
    send: (body) => server.send(body),
    create: (entity, fields, caller) => server.create(entity, fields, caller),
  };
}
