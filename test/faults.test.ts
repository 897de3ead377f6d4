import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { withConnection } from "../server/connect.ts";
import { type EmbeddedDatabase, openEmbedded } from "../server/embedded.ts";
import { migrateDatabase } from "../server/migrate.ts";
import { deriveServerUrl } from "../server/serverLogin.ts";
import { type ServerProcess, spawnServer, until } from "./helpers/process.ts";
import type { Answer } from "./helpers/server.ts";

jest.setTimeout(60_000);

/** How many times each thing is killed. */
const rounds = 3;

let folder: string;
let cluster: EmbeddedDatabase;
let url: string;
let server: ServerProcess;

/** A cluster of this file's own, which keeps what it acknowledges. */
const open = () =>
  openEmbedded({
    folder: join(folder, "postgres"),
    binaries: process.env.PGCRM_TEST_POSTGRES,
    settings: { fsync: "on", synchronous_commit: "on" },
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
});

afterAll(async () => {
  server.child.kill("SIGKILL");
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const read = "{ companies { totalCount } }";
const answers = async () => isData(await server.ask(read));

/** Asks from several sides at once until told to stop, and gives what was thrown. */
function load(sides: number, work: (side: number) => Promise<boolean>): () => Promise<unknown[]> {
  let isOver = false;
  const thrown: unknown[] = [];
  const all = Array.from({ length: sides }, async (_, side) => {
    while (!isOver && (await work(side).catch((error: unknown) => thrown.push(error)))) continue;
  });
  return async () => {
    isOver = true;
    await Promise.all(all);
    return thrown;
  };
}

const isData = ({ status, errors }: Answer<unknown>) => status === 200 && errors === undefined;

/** Whether an answer is data, or an error that says nothing about the inside. */
function isClean(answer: Answer<unknown>): boolean {
  if (isData(answer)) return true;
  const codes = answer.errors?.map(({ extensions }) => extensions.code) ?? [];
  return codes.length > 0 && codes.every((code) => ["UNAVAILABLE", "INTERNAL"].includes(code));
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
    expect(await server.ask(read)).toEqual({
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

  test("serves within 5 seconds of its return", async () => {
    cluster = await open();
    expect(await until(answers)).toBeLessThan(5000);
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

  test("a database that restarts is found again within 10 seconds", async () => {
    const unclean: unknown[] = [];
    const stop = load(8, async () => {
      const answer = await server.ask(read);
      if (!isClean(answer)) unclean.push(answer);
      return true;
    });
    await sleep(200);
    await cluster.close();
    await until(async () => (await server.status("/readyz")) === 503);
    cluster = await open();
    expect(await until(async () => (await answers()) && (await answers()))).toBeLessThan(10_000);
    expect(await stop()).toEqual([]);
    expect(unclean).toEqual([]);
    expect(server.child.exitCode).toBeNull();
  });
});

/** The names of all companies that were asked for, and of those that the server said were made. */
const asked = new Set<string>();
const acknowledged = new Set<string>();

/** Asks for a company of a new name. */
async function write(keepAlive = true): Promise<Answer<unknown>> {
  const name = `Company ${asked.size}`;
  asked.add(name);
  const answer = await server.ask(
    `mutation { createCompany(input: { company: { name: "${name}" } }) { company { id } } }`,
    keepAlive,
  );
  if (isData(answer)) acknowledged.add(name);
  return answer;
}

/** Writes from several sides, whatever becomes of it. */
function writeOn(): () => Promise<unknown> {
  return load(6, async () => {
    const answer = await write().catch(() => undefined);
    if (answer === undefined || !isData(answer)) await sleep(20);
    return true;
  });
}

/** What was acknowledged is there, what is there was asked for, and each has one journal entry. */
async function expectNothingLost(): Promise<void> {
  await withConnection(url, async (client) => {
    const { rows: companies } = await client.query<{ name: string; entries: number }>(
      `select name, count(entry.id)::int as entries
         from crm.companies as company
         left join crm.audit_logs as entry
           on entry.entity_id = company.id and entry.changes ->> 'name' = company.name
        group by company.id`,
    );
    const names = new Set(companies.map(({ name }) => name));
    expect([...acknowledged].filter((name) => !names.has(name))).toEqual([]);
    expect([...names].filter((name) => !asked.has(name))).toEqual([]);
    expect(companies.filter(({ entries }) => entries !== 1)).toEqual([]);

    const { rows: entries } = await client.query<{ count: number }>(
      "select count(*)::int as count from crm.audit_logs where entity_type = 'company'",
    );
    expect(entries).toEqual([{ count: companies.length }]);
  });
}

describe("what was acknowledged is there with its entry in the journal, and nothing else", () => {
  test("after PostgreSQL was killed under writes", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const before = acknowledged.size;
      const stop = writeOn();
      await sleep(300 + Math.random() * 300);
      process.kill(postmasterPid(), "SIGKILL");
      await sleep(200);
      await cluster.close();
      cluster = await open();
      expect(await until(answers)).toBeLessThan(10_000);
      await stop();
      expect(acknowledged.size).toBeGreaterThan(before);
      await expectNothingLost();
    }
    expect(server.child.exitCode).toBeNull();
  });

  test("after the server was killed under writes", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const before = acknowledged.size;
      const stop = writeOn();
      await sleep(300 + Math.random() * 300);
      server.child.kill("SIGKILL");
      await server.ended;
      await stop();
      expect(acknowledged.size).toBeGreaterThan(before);
      server = await spawnServer(url);
      await until(answers);
      await expectNothingLost();
    }
  });

  test("after the server was told to stop under load, and no request was cut off", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const before = acknowledged.size;
      const refusals: number[] = [];
      const stop = load(10, async (side) => {
        const { status } = await write(side % 2 === 0);
        if (status !== 200) refusals.push(status);
        return status === 200;
      });
      await sleep(300);
      server.child.kill("SIGTERM");
      expect(await server.ended).toBe(0);
      expect(await stop()).toEqual([]);
      expect(refusals.filter((status) => status !== 503 && status !== 0)).toEqual([]);
      expect(acknowledged.size).toBeGreaterThan(before);
      server = await spawnServer(url);
      await until(answers);
      await expectNothingLost();
    }
  });
});

function postmasterPid(): number {
  const path = join(folder, "postgres", "data", "postmaster.pid");
  return Number(readFileSync(path, "utf8").split("\n")[0]);
}
