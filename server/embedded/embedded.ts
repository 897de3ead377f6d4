import { setTimeout as sleep } from "node:timers/promises";

import type pg from "pg";

import { createClient } from "../postgres/client.ts";
import { createCluster } from "./cluster.ts";
import { preparePlace } from "./place.ts";
import { Problem } from "../errors/problem.ts";

/** Advisory locks, in the database `postgres`: who uses the cluster, and who serves from it. */
const locks = { classid: 0x70676372, use: 1, serve: 2 } as const;

/** How to open an embedded database. */
export interface EmbeddedOptions {
  /** Where its data, password, port and log are kept. */
  readonly folder: string;
  /** A folder with `bin`, `lib` and `share` of PostgreSQL; absent, the npm package's. */
  readonly binaries?: string | undefined;
  /** Server settings beside the usual ones, such as `{ fsync: "off" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** An embedded PostgreSQL that runs for as long as somebody has it open. */
export interface EmbeddedDatabase {
  /** The superuser's URL of a database on it. */
  url(database: string): string;
  /** Makes a database unless it exists, as a copy of `template` if that is given. */
  ensureDatabase(name: string, template?: string): Promise<void>;
  /**
   * Claims to be the one server on this database, until closed or the process ends.
   *
   * @param address where this process serves.
   * @throws {Problem} when another process serves already; the message says where.
   */
  claim(address: string): Promise<void>;
  /** The address of the process that serves from this database, or undefined. */
  servedAt(): Promise<string | undefined>;
  /** Registers what happens if the database goes away while it is open. */
  onLost(listener: () => void): void;
  /** Lets go of it; whoever closes it last stops the server. */
  close(): Promise<void>;
}

/**
 * Opens the embedded PostgreSQL: makes its data on the first call, starts it, or joins it where it
 * runs already, be it for another process or left running by one that was killed.
 *
 * @param options where it lives and how it is set.
 * @throws {Problem} when it cannot be started.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const place = preparePlace(options.folder, options.binaries);
  const cluster = createCluster(place, options.settings ?? {});
  await cluster.initialise();

  const lostListeners: (() => void)[] = [];
  let lost = false;
  const client = await join();
  client.on("error", () => {
    lost = true;
    for (const listener of lostListeners) listener();
  });

  /** Starts the cluster and marks it as used; starts again if the last user is just stopping it. */
  async function join(): Promise<pg.Client> {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      await cluster.start();
      const candidate = createClient(cluster.url("postgres"));
      candidate.on("error", () => undefined);
      try {
        await candidate.connect();
        const { rows } = await candidate.query<{ locked: boolean }>(
          "select pg_try_advisory_lock_shared($1, $2) as locked",
          [locks.classid, locks.use],
        );
        if (rows[0]?.locked === true) return candidate;
      } catch {
        // it is stopping: start it again
      }
      await candidate.end().catch(() => undefined);
      await sleep(200);
    }
    throw new Problem("The embedded database is busy stopping; try again.");
  }

  async function tryLock(lock: number): Promise<boolean> {
    const { rows } = await client.query<{ locked: boolean }>(
      "select pg_try_advisory_lock($1, $2) as locked",
      [locks.classid, lock],
    );
    return rows[0]?.locked === true;
  }

  async function servedAt(): Promise<string | undefined> {
    const { rows } = await client.query<{ address: string }>(
      `select activity.application_name as address
         from pg_catalog.pg_locks as lock
         join pg_catalog.pg_stat_activity as activity on activity.pid = lock.pid
        where lock.locktype = 'advisory'
          and lock.classid = $1
          and lock.objid = $2
          and lock.granted`,
      [locks.classid, locks.serve],
    );
    return rows[0]?.address;
  }

  return {
    url: (database) => cluster.url(database),
    servedAt,
    onLost: (listener) => lostListeners.push(listener),

    async ensureDatabase(name, template = "template1") {
      const { rowCount } = await client.query("select from pg_database where datname = $1", [name]);
      if (rowCount !== 0) return;
      const [database, model] = [name, template].map((part) => client.escapeIdentifier(part));
      await client.query(`create database ${database} template ${model}`);
    },

    async claim(address) {
      await client.query("select set_config('application_name', $1, false)", [address]);
      if (!(await tryLock(locks.serve))) {
        const other = (await servedAt()) ?? "another address";
        throw new Problem(`pgcrm is already running on this database and serves at ${other}.`);
      }
    },

    async close() {
      if (lost) return;
      lostListeners.length = 0;
      await client.query("select pg_advisory_unlock_all()");
      const last = await tryLock(locks.use).catch(() => false); // another one stopped it
      if (last) await cluster.stop();
      await client.end().catch(() => undefined);
    },
  };
}
