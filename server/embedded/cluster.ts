import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { createClient } from "../postgres/client.ts";
import { isAway } from "../postgres/away.ts";
import { hasCode, Problem } from "../errors/problem.ts";
import type { Place } from "./place.ts";
import { choosePort, rememberPort } from "./port.ts";
import { endOrphans, readPostmaster, runsIn } from "./processes.ts";

const execute = promisify(execFile);

/** The superuser, who owns the embedded databases. */
const superuser = "postgres";

/** How often a start is tried; another process may take the chosen port first. */
const maxAttempts = 5;

/** Settings of a server, by name. */
type Settings = Readonly<Record<string, string>>;

/** A PostgreSQL server whose data are in one folder. */
export interface Cluster {
  /** Creates the data folder, unless it exists. */
  initialise(): Promise<void>;
  /** Starts the server, unless it runs. Resolves once the server accepts connections. */
  start(): Promise<void>;
  /** Stops the server: connections are closed, transactions rolled back, data flushed. */
  stop(): Promise<void>;
  /** Returns the superuser's URL of a database on the running server. */
  url(database: string): string;
}

/**
 * Returns the cluster at a place. Nothing happens until its functions are called.
 *
 * @param settings server settings besides the usual ones, such as `{ fsync: "off" }`.
 */
export function createCluster(place: Place, settings: Settings): Cluster {
  let port = 0;
  return {
    initialise: () => initialise(place),
    async start() {
      port = await start(place, settings);
    },
    async stop() {
      await run(place, "pg_ctl", ["stop", "-D", dataOf(place), "-m", "fast", "-w", "-t", "60"]);
    },
    url: (database) => urlOf(place, port, database),
  };
}

function dataOf({ folder }: Place): string {
  return join(folder, "data");
}

function logOf({ folder }: Place): string {
  return join(folder, "server.log");
}

function passwordOf({ folder }: Place): string {
  return join(folder, "password");
}

function urlOf(place: Place, port: number, database: string): string {
  const password = readFileSync(passwordOf(place), "utf8");
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
}

/** Creates the data under another name and renames them, so that they are complete or absent. */
async function initialise(place: Place): Promise<void> {
  const data = dataOf(place);
  if (existsSync(data)) return;
  createPassword(place);
  const fresh = join(place.folder, `data-${process.pid}`);
  const icu =
    (await majorVersion(place)) >= 15 ? ["--locale-provider=icu", "--icu-locale=und"] : [];
  try {
    await run(place, "initdb", [
      `--pgdata=${fresh}`,
      `--username=${superuser}`,
      `--pwfile=${passwordOf(place)}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C.UTF-8",
      ...icu,
    ]);
    renameSync(fresh, data);
  } catch (error) {
    if (!existsSync(data)) throw error; // otherwise another process was faster
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Creates a password in a file that only its owner may read, unless the file exists. */
function createPassword(place: Place): void {
  const path = passwordOf(place);
  try {
    writeFileSync(path, randomBytes(24).toString("base64url"), { mode: 0o600, flag: "wx" });
    if (place.account !== undefined) chownSync(path, place.account.uid, place.account.gid);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

/** Starts the server, or joins the running one. Returns its port. */
async function start(place: Place, settings: Settings): Promise<number> {
  const data = dataOf(place);
  for (let attempt = 1; ; attempt += 1) {
    const running = readPostmaster(data);
    if (running !== undefined && runsIn(data, running.pid)) {
      if (await answers(place, running.port)) return running.port;
      continue; // it has ended since
    }
    if (running !== undefined) {
      await endOrphans(data);
      rmSync(join(data, "postmaster.pid"), { force: true }); // a crash has left it
    }
    const port = await choosePort(place);
    const options = optionsOf(port, settings);
    try {
      await run(place, "pg_ctl", [
        ...["start", "-D", data, "-l", logOf(place), "-w", "-t", "60", "-o", options],
      ]);
      rememberPort(place, port);
      return port;
    } catch (error) {
      if (attempt >= maxAttempts) throw startFailure(place, error);
      await sleep(200 * attempt);
    }
  }
}

function optionsOf(port: number, settings: Settings): string {
  const all = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    timezone: "UTC",
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ");
}

/**
 * Waits until a running server accepts connections. Returns false if the server ends instead.
 *
 * @throws {Problem} if it does neither within a minute.
 */
async function answers(place: Place, port: number): Promise<boolean> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const running = readPostmaster(dataOf(place));
    if (running === undefined || !runsIn(dataOf(place), running.pid)) return false;
    const client = createClient(urlOf(place, port, superuser));
    try {
      await client.connect();
      return true;
    } catch (error) {
      if (!isAway(error)) throw error;
    } finally {
      await client.end().catch(() => undefined);
    }
    await sleep(100);
  }
  throw new Problem(
    `The embedded database runs but does not answer; ${logOf(place)} has the reason.`,
  );
}

function startFailure(place: Place, error: unknown): unknown {
  const log = logOf(place);
  if (!existsSync(log)) return error;
  const lastLines = readFileSync(log, "utf8").split("\n").slice(-20).join("\n");
  const reason = /FATAL: +(.*)/.exec(lastLines)?.[1];
  const why = reason === undefined ? "" : `: ${reason}`;
  return new Problem(`The embedded database does not start${why} (see ${log}).`);
}

async function majorVersion(place: Place): Promise<number> {
  const { stdout } = await run(place, "postgres", ["--version"]);
  return Number(/\d+/.exec(stdout)?.[0]);
}

/** Runs a program of PostgreSQL under the account of the cluster. */
async function run(place: Place, program: string, parameters: string[]) {
  const { folder, programs, account } = place;
  const env = { PATH: process.env.PATH, LC_ALL: "C.UTF-8" };
  return execute(join(programs, program), parameters, { ...account, cwd: folder, env });
}
