import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { createClient } from "../postgres/client.ts";
import { hasCode, Problem } from "../errors/problem.ts";
import type { Place } from "./place.ts";

const execute = promisify(execFile);

/** The superuser, who owns the embedded databases. */
const superuser = "postgres";

/** A PostgreSQL server whose data lie in one folder. */
export interface Cluster {
  /** Makes the data folder, once. */
  initialise(): Promise<void>;
  /** Starts the server, or finds it running; resolves once it answers. */
  start(): Promise<void>;
  /** Stops the server: connections are closed, transactions rolled back, data flushed. */
  stop(): Promise<void>;
  /** The superuser's URL of a database on the running server. */
  url(database: string): string;
}

/**
 * The cluster at a place. Nothing happens until its functions are called.
 *
 * @param place where it lives.
 * @param settings server settings beside the usual ones, such as `{ fsync: "off" }`.
 */
export function createCluster(place: Place, settings: Readonly<Record<string, string>>): Cluster {
  const { folder, programs, account } = place;
  const data = join(folder, "data");
  const log = join(folder, "server.log");
  let port = 0;

  function url(database: string): string {
    const password = readFileSync(join(folder, "password"), "utf8");
    return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
  }

  async function initialise(): Promise<void> {
    if (existsSync(data)) return;
    const password = join(folder, "password");
    keep(password, randomBytes(24).toString("base64url"));
    const fresh = join(folder, `data-${process.pid}`);
    const icu = (await majorVersion()) >= 15 ? ["--locale-provider=icu", "--icu-locale=und"] : [];
    try {
      await run("initdb", [
        `--pgdata=${fresh}`,
        `--username=${superuser}`,
        `--pwfile=${password}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        ...icu,
      ]);
      renameSync(fresh, data);
    } catch (error) {
      if (!existsSync(data)) throw error; // else another process was faster
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }

  async function start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const running = readPostmaster();
      if (running !== undefined) {
        if (runsHere(running.pid)) {
          port = running.port;
          if (await answers()) return;
          continue; // it ended meanwhile
        }
        await endOrphans();
        rmSync(join(data, "postmaster.pid"), { force: true }); // left behind by a crash
      }
      port = await choosePort();
      try {
        await run("pg_ctl", ["start", "-D", data, "-l", log, "-w", "-t", "60", "-o", options()]);
        rememberPort();
        return;
      } catch (error) {
        if (attempt === 5) throw startFailure(error);
        await sleep(200 * attempt);
      }
    }
  }

  async function stop(): Promise<void> {
    await run("pg_ctl", ["stop", "-D", data, "-m", "fast", "-w", "-t", "60"]);
  }

  function options(): string {
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

  /** Keeps a text in a file that only its owner may read, unless the file is there already. */
  function keep(path: string, text: string): void {
    try {
      writeFileSync(path, text, { mode: 0o600, flag: "wx" });
      if (account !== undefined) chownSync(path, account.uid, account.gid);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
  }

  function readPostmaster(): { pid: number; port: number } | undefined {
    try {
      const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
      return { pid: Number(lines[0]), port: Number(lines[3]) };
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Whether a process is this cluster's server: its working directory is the data folder. */
  function runsHere(pid: number): boolean {
    if (process.platform !== "linux") return isAlive(pid);
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === data;
    } catch {
      return false; // gone, a zombie, or somebody else's
    }
  }

  /**
   * Ends the processes of a server that was killed. A busy one does not notice by itself that its
   * server is gone: it goes on writing, and no other server may run beside it. They must be gone before
   * `postmaster.pid` is, by which PostgreSQL itself would find them.
   */
  async function endOrphans(): Promise<void> {
    const deadline = Date.now() + 10_000;
    for (let orphans = findOrphans(); orphans.length > 0; orphans = findOrphans()) {
      if (Date.now() > deadline) {
        throw new Problem(`Processes of a killed database do not end: ${orphans.join(", ")}.`);
      }
      for (const pid of orphans) {
        try {
          process.kill(pid, "SIGQUIT");
        } catch (error) {
          if (!hasCode(error, "ESRCH")) throw error;
        }
      }
      await sleep(20);
    }
  }

  /** The server's processes are called `postgres: …`; those of a living server have it as parent. */
  function findOrphans(): number[] {
    if (process.platform !== "linux") return [];
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => pid > 0 && runsHere(pid) && isOrphan(pid));
  }

  function isOrphan(pid: number): boolean {
    try {
      const title = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      return title.startsWith("postgres: ") && !runsHere(Number(parent));
    } catch (error) {
      if (hasCode(error, "ENOENT", "ESRCH")) return false; // it has just ended
      throw error;
    }
  }

  /** Waits until a running server accepts connections; false when it ends instead. */
  async function answers(): Promise<boolean> {
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      const running = readPostmaster();
      if (running === undefined || !runsHere(running.pid)) return false;
      const client = createClient(url(superuser));
      try {
        await client.connect();
        return true;
      } catch (error) {
        if (!hasCode(error, "57P03", "ECONNREFUSED", "ECONNRESET")) throw error;
      } finally {
        await client.end().catch(() => undefined);
      }
      await sleep(100);
    }
    throw new Problem(`The embedded database runs but does not answer; ${log} says why.`);
  }

  async function choosePort(): Promise<number> {
    const remembered = join(folder, "port");
    const last = existsSync(remembered) ? Number(readFileSync(remembered, "utf8")) : 0;
    return (await freePort(last)) ?? (await freePort(0)) ?? 0;
  }

  function rememberPort(): void {
    const path = join(folder, "port");
    writeFileSync(path, String(port));
    if (account !== undefined) chownSync(path, account.uid, account.gid);
  }

  async function majorVersion(): Promise<number> {
    const { stdout } = await run("postgres", ["--version"]);
    return Number(/\d+/.exec(stdout)?.[0]);
  }

  async function run(program: string, parameters: string[]): Promise<{ stdout: string }> {
    const env = { PATH: process.env.PATH, LC_ALL: "C.UTF-8" };
    return execute(join(programs, program), parameters, { ...account, cwd: folder, env });
  }

  function startFailure(error: unknown): unknown {
    if (!existsSync(log)) return error;
    const reason = /FATAL: +(.*)/.exec(readFileSync(log, "utf8").split("\n").slice(-20).join("\n"));
    const why = reason?.[1] === undefined ? "" : `: ${reason[1]}`;
    return new Problem(`The embedded database does not start${why} (see ${log}).`);
  }

  return { initialise, start, stop, url };
}

/** A port on 127.0.0.1 that nobody listens on: the wanted one, or for 0 any; undefined if taken. */
async function freePort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => {
      resolve(undefined);
    });
    probe.listen(wanted, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : undefined;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}
