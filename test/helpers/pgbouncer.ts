import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { connect } from "../../server/postgres/connect.ts";
import { urlPassword } from "../../server/postgres/database-url.ts";
import { serverAccount } from "../../server/embedded/account.ts";
import { freePort } from "./process.ts";

const path = `${process.env.PATH ?? ""}:/usr/sbin`;

/** The version of the PgBouncer of this machine, or undefined if there is none. */
export function pgbouncerVersion(): number | undefined {
  const { stdout, error } = spawnSync("pgbouncer", ["--version"], {
    encoding: "utf8",
    env: { ...process.env, PATH: path },
  });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(error === undefined ? stdout : "") ?? [];
  return major === undefined ? undefined : Number(major) + Number(minor) / 100;
}

/** A PgBouncer in transaction mode, with few connections. */
export interface PgBouncer {
  /** The URL of the database behind it. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts a PgBouncer before a database.
 *
 * @param databaseUrl with user and password.
 * @param settings beside the usual ones.
 */
export async function startPgBouncer(
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<PgBouncer> {
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-pgbouncer-"));
  const account = serverAccount(folder); // it does not run as root either
  const { hostname, port, username } = new URL(databaseUrl);
  const url = new URL(databaseUrl);
  url.port = String(await freePort());
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: url.port,
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: join(folder, "users"),
    pool_mode: "transaction",
    ignore_startup_parameters:
      "statement_timeout, lock_timeout, idle_in_transaction_session_timeout",
    default_pool_size: "2",
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(
    join(folder, "ini"),
    [`[databases]`, `* = host=${hostname} port=${port}`, `[pgbouncer]`, ...lines, ""].join("\n"),
  );
  writeFileSync(join(folder, "users"), `"${username}" "${urlPassword(databaseUrl) ?? ""}"\n`);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  chmodSync(folder, 0o755);

  const child = spawn("pgbouncer", ["--quiet", join(folder, "ini")], {
    ...account,
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ended = once(child, "exit");
  for (let attempt = 0; ; attempt += 1) {
    try {
      await (await connect(url.href)).end();
      break;
    } catch (error) {
      if (attempt === 100 || child.exitCode !== null) throw new Error(log, { cause: error });
      await sleep(50);
    }
  }
  return {
    url: url.href,
    async close() {
      child.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
