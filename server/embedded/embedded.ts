import { setTimeout as sleep } from "node:timers/promises";

import type pg from "pg";

import { createClient } from "../postgres/client.ts";
import { createCluster } from "./cluster.ts";
import { preparePlace } from "./place.ts";
import { Problem } from "../errors/problem.ts";

/** Advisory locks in the database `postgres`: for using the cluster, and for serving from it. */
const locks = { classid: 0x70676372, use: 1, serve: 2 } as const;

/** The options of an embedded database. */
export interface EmbeddedOptions {
  /** The folder of its data, password, port and log. */
  readonly folder: string;
  /** A folder with `bin`, `lib` and `share` of PostgreSQL; by default, that of the npm package. */
  readonly binaries?: string | undefined;
  /** Additional server settings, such as `{ fsync: "off" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** An embedded PostgreSQL. It runs as long as a process has it open. */
export interface EmbeddedDatabase {
  /** Returns the superuser's URL of a database. */
  url(database: string): string;
  /** Creates a database unless it exists, as a copy of `template` if given. */
  ensureDatabase(name: string, template?: string): Promise<void>;
  /**
   * Claims the database for this server until it is closed, or the process ends.
   *
   * @param address the URL of this server.
   * @throws {Problem} if another process is serving; the message contains its address.
   */
  claim(address: string): Promise<void>;
  /** Returns the address of the process that serves from this database; undefined if there is none. */
  servedAt(): Promise<string | undefined>;
  /** Registers a listener that is called if the database stops while it is open. */
  onLost(listener: () => void): void;
  /** Closes the database. The last process that closes it stops the server. */
  close(): Promise<void>;
}

/**
 * Opens the embedded PostgreSQL. Initializes its data on the first call, and starts it unless it is already
 * running, for another process or after a process that was killed.
 *
 * @param options its folder and settings.
 * @throws {Problem} if it cannot be started.
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

  /** Starts the cluster and marks it as used. Starts it again if the last process is just stopping it. */
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
        // it is being stopped: start it again
      }
      await candidate.end().catch(() => undefined);
      await sleep(200);
    }
    throw new Problem("The embedded database is being stopped; try again.");
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
      const last = await tryLock(locks.use).catch(() => false); // another process stopped it
      if (last) await cluster.stop();
      await client.end().catch(() => undefined);
    },
  };
}
