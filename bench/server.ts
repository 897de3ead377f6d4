import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { signToken, type TokenRole } from "../server/auth/token.ts";

export const secret = "the secret of the benchmark, long enough";

/** A running server for a benchmark. */
export interface Running {
  /** Returns OK, or the code of a refusal under load. Any other error is thrown. */
  ask(query: string, variables?: object): Promise<string>;
  /** Returns the resident memory of the process, in megabytes. */
  memory(): number;
}

/** Serves a database in a separate process, as `npm start` does. */
export async function withServer(
  url: string,
  role: TokenRole,
  work: (server: Running) => Promise<void>,
): Promise<void> {
  const port = 5099;
  const token = await signToken(secret, { role, user: "bench", expires: "1h" });
  const variables = { DATABASE_URL: url, LOG_LEVEL: "fatal" };
  await withProcess({ script: cli, args: ["start"], port, variables }, async (pid) => {
    await work({
      async ask(query, variables) {
        const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            accept: "application/json",
            authorization: `Bearer ${token}`,
          },
          body: JSON.stringify({ query, variables }),
        });
        const text = await response.text();
        if (!text.includes('"errors":')) return "OK";
        const refusal = /"code":"(OVERLOADED|TIMEOUT)"/.exec(text)?.[1];
        if (refusal === undefined) throw new Error(`${response.status}: ${text.slice(-400)}`);
        return refusal;
      },
      memory: () =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024,
    });
  });
}

/** The command line of pgcrm. */
export const cli = join(import.meta.dirname, "../server/cli/cli.ts");

interface Script {
  readonly script: string;
  readonly args?: readonly string[];
  readonly port: number;
  /** Environment variables, in addition to those of this process, `PORT` and `JWT_SECRET`. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Runs a server in a separate process, as long as the work takes.
 *
 * @param work is called, with the id of the process, when the server answers a request for `/readyz`.
 */
export async function withProcess(
  { script, args = [], port, variables }: Script,
  work: (pid: number) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, JWT_SECRET: secret, PORT: `${port}`, ...variables },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(child, "exit");
  try {
    while (
      !(await fetch(`http://127.0.0.1:${port}/readyz`).then(
        (response) => response.ok,
        () => false,
      ))
    ) {
      if (child.exitCode !== null || child.pid === undefined) {
        throw new Error("The server did not start.");
      }
      await sleep(100);
    }
    await work(child.pid ?? NaN);
  } finally {
    child.kill();
    await ended;
  }
}
