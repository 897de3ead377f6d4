import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { createClient } from "graphql-ws";
import pg from "pg";
import { WebSocket } from "ws";

import { withConnection } from "../../server/postgres/connect.ts";
import { type EmbeddedDatabase, openEmbedded } from "../../server/embedded/embedded.ts";
import { migrateDatabase } from "../../server/migrations/migrate.ts";
import { hasCode } from "../../server/errors/problem.ts";
import { deriveServerUrl } from "../../server/postgres/server-login.ts";
import { signToken } from "../../server/auth/token.ts";
import { isData, type WriteRecord, load, createWriteRecord } from "../helpers/load.ts";
import { type ServerProcess, spawnServer, until } from "../helpers/process.ts";
import { type Answer, jwtSecret } from "../helpers/server.ts";

jest.setTimeout(900_000);

/** How many times each thing is killed. */
const rounds = 5;

/** How many times each of three servers, which serve again, is told to stop. */
const stops = 12;

let folder: string;
let cluster: EmbeddedDatabase;
let url: string;
let server: ServerProcess;
let record: WriteRecord;

/** A cluster of this file's own, which keeps what it acknowledges. */
const open = () =>
  openEmbedded({
    folder: join(folder, "postgres"),
    binaries: process.env.PGCRM_TEST_POSTGRES,
    settings: { fsync: "on", synchronous_commit: "on", max_connections: "40" },
  });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-faults-"));
  chmodSync(folder, 0o755);
  cluster = await open();
  await cluster.ensureDatabase("crm");
  url = cluster.url("crm");
  await migrateDatabase({ ownerUrl: url, serverUrl: deriveServerUrl(url) });
  await cluster.close();
  server = await spawnServer(url);
  record = createWriteRecord(url);
});

afterAll(async () => {
  server.child.kill("SIGKILL");
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const read = "{ companies { totalCount } }";
const answers = async () => isData(await server.ask(read));

/** Whether an answer is data, or an error that says nothing about the inside. */
function isClean(answer: Answer<unknown>): boolean {
  if (isData(answer)) return true;
  const codes = answer.errors?.map(({ extensions }) => extensions.code) ?? [];
  return codes.length > 0 && codes.every((code) => code === "UNAVAILABLE");
}

describe("a server without its database", () => {
  test("lives, says what it waits for, and refuses in the shape of GraphQL", async () => {
    await until(async () => (await server.status("/healthz")) === 200);
    await sleep(1000); // the pauses have grown
    expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({
      ready: false,
      reason: "the database does not answer",
    });
    expect(await server.status("/readyz")).toBe(503);
    expect(await server.ask(read)).toMatchObject({
      status: 503,
      errors: [{ message: expect.any(String), extensions: { code: "UNAVAILABLE" } }],
    });
  });

  test("stops when it is told to", async () => {
    const other = await spawnServer(url);
    await until(async () => (await other.status("/readyz")) === 503);
    other.child.kill("SIGTERM");
    expect(await other.ended).toBe(0);
  });

  test("serves again once it is back", async () => {
    cluster = await open();
    await until(answers);
    expect(await server.status("/readyz")).toBe(200);
  });
});

describe("under load", () => {
  test("connections that are cut make clean errors, and new ones take their place", async () => {
    const unclean: unknown[] = [];
    let lost = 0;
    const stop = load(8, async () => {
      const answer = await server.ask(read);
      if (!isClean(answer)) unclean.push(answer);
      if (answer.errors !== undefined) lost += 1;
      return true;
    });
    await withConnection(url, async (client) => {
      for (let i = 0; i < 20; i += 1) {
        await client.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'crm_server'",
        );
        await sleep(25);
      }
    });
    expect(await stop()).toEqual([]);
    expect(unclean).toEqual([]);
    expect(lost).toBeGreaterThan(0);
    expect(await answers()).toBe(true);
    expect(server.child.exitCode).toBeNull();
  });

  test("a database that restarts is found again", async () => {
    const unclean: unknown[] = [];
    let answered = 0;
    const stop = load(8, async () => {
      const answer = await server.ask(read);
      if (!isClean(answer)) unclean.push(answer);
      answered += 1;
      return true;
    });
    await until(() => Promise.resolve(answered > 50));
    await cluster.close();
    await until(async () => (await server.status("/readyz")) === 503);
    cluster = await open();
    await until(async () => (await answers()) && (await answers()));
    expect(await stop()).toEqual([]);
    expect(unclean).toEqual([]);
    expect(server.child.exitCode).toBeNull();
  });
});

test("a database without a free connection makes clean errors, and is found again", async () => {
  const taken: pg.Client[] = [];
  const take = async () => {
    const client = new pg.Client({
      connectionString: deriveServerUrl(url),
      application_name: "taker",
    });
    await client.connect();
    taken.push(client);
  };
  /** Takes what the server has, which looks for custom fields meanwhile and may be faster than we. */
  const takeFromServer = async () => {
    const { rowCount } = await withConnection(url, (client) =>
      client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where usename = 'crm_server' and application_name <> 'taker'`,
      ),
    );
    return rowCount !== 0;
  };
  do {
    for (let isLeft = true; isLeft;) {
      isLeft = await take().then(
        () => true,
        (error: unknown) => {
          if (hasCode(error, "53300")) return false;
          throw error;
        },
      );
    }
  } while (await takeFromServer());
  const { status, errors } = await server.ask(read);
  expect(status).toBe(503);
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual(["OVERLOADED"]);
  await Promise.all(taken.map((client) => client.end()));
  await until(answers);
  expect(server.child.exitCode).toBeNull();
});

describe("what was acknowledged is there with its entry in the audit log, and nothing else", () => {
  /** Writes from several sides, whatever becomes of it. */
  const writeOn = () =>
    load(6, async () => {
      const answer = await record.write(server).catch(() => undefined);
      if (answer === undefined || !isData(answer)) await sleep(20);
      return true;
    });

  /** Some more writes were acknowledged than so many, and others are on their way. */
  const written = (before: number) => {
    const more = 5 + Math.random() * 50;
    return until(() => Promise.resolve(record.size > before + more));
  };

  test("after PostgreSQL was killed under writes", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const before = record.size;
      const stop = writeOn();
      await written(before);
      const pid = postmasterPid();
      process.kill(pid, "SIGKILL");
      await until(() => Promise.resolve(!isAlive(pid)));
      await cluster.close();
      cluster = await open();
      await until(answers);
      await stop();
      expect(record.size).toBeGreaterThan(before);
      await record.expectNothingLost();
    }
    expect(server.child.exitCode).toBeNull();
  });

  test("after the server was killed under writes", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const next = await spawnServer(url); // starts meanwhile
      const before = record.size;
      const stop = writeOn();
      await written(before);
      server.child.kill("SIGKILL");
      await server.ended;
      await stop();
      expect(record.size).toBeGreaterThan(before);
      server = next;
      await until(answers);
      await record.expectNothingLost();
    }
  });

  /** One server is told to stop under load; nobody's request is cut off. */
  async function stopOnce(told: ServerProcess, hasStopped: Promise<void>): Promise<void> {
    const before = record.size;
    const refusals: number[] = [];
    const stop = load(10, async (side) => {
      const { status } = await record.write(told, side % 2 === 0);
      if (status !== 200) refusals.push(status);
      return status === 200;
    });
    await written(before);
    told.child.kill("SIGTERM");
    await hasStopped;
    expect(await stop()).toEqual([]);
    expect(refusals.filter((status) => status !== 503 && status !== 0)).toEqual([]);
    expect(record.size).toBeGreaterThan(before);
  }

  test("after the server was told to stop under load, and ended", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const next = await spawnServer(url); // starts meanwhile
      const { ended } = server;
      await stopOnce(
        server,
        ended.then((code) => expect(code).toBe(0)),
      );
      server = next;
      await until(answers);
      await record.expectNothingLost();
    }
  });

  test("after servers were told to stop under load, again and again", async () => {
    const hosts = await Promise.all([1, 2, 3].map(() => spawnServer(url, "again")));
    await Promise.all(
      hosts.map(async (host) => {
        for (let round = 0; round < stops; round += 1) {
          await until(async () => isData(await host.ask(read)));
          await stopOnce(host, host.said("stopped"));
        }
        host.child.kill("SIGKILL");
      }),
    );
    await record.expectNothingLost();
  });
});

test("a server that is told to stop answers what runs over sockets, and ends with 0", async () => {
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  const codes: unknown[] = [];
  const received: unknown[] = [];
  const clients = Array.from({ length: 5 }, () =>
    createClient({
      url: `${server.url.replace("http", "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: () => undefined,
      on: { closed: (event) => codes.push((event as { code: number }).code) },
    }),
  );
  await withConnection(url, async (client) => {
    await client.query("begin; lock table crm.companies in access exclusive mode");
    for (const asking of clients) {
      asking.subscribe(
        // A small operation; of large ones, such as counts, fewer than five run at once.
        { query: "{ companies(first: 1) { nodes { id } } }" },
        {
          next: (answer) => received.push(answer),
          error: (error) => received.push(error),
          complete: () => undefined,
        },
      );
    }
    await until(async () => {
      // A transaction sees the activity as it was when it first looked.
      const { rows } = await withConnection(url, (other) => other.query(waiting));
      return rows.length === clients.length;
    });
    server.child.kill("SIGTERM");
    await until(async () => (await server.status("/readyz")) !== 200);
    expect(server.child.exitCode).toBeNull();
    await client.query("rollback");
  });
  expect(await server.ended).toBe(0);
  await until(() => Promise.resolve(codes.length === clients.length));
  expect(received).toEqual(clients.map(() => ({ data: { companies: expect.any(Object) } })));
  expect(codes).toEqual(clients.map(() => 1001));
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function postmasterPid(): number {
  const path = join(folder, "postgres", "data", "postmaster.pid");
  return Number(readFileSync(path, "utf8").split("\n")[0]);
}
