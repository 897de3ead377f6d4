import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { signToken, type TokenRole } from "../server/auth/token.ts";

const secret = "the secret of the benchmark, long enough";
const port = 5099;

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
  const cli = join(import.meta.dirname, "../server/cli/cli.ts");
  const child = spawn(process.execPath, [cli, "start"], {
    env: {
      ...process.env,
      DATABASE_URL: url,
      JWT_SECRET: secret,
      PORT: `${port}`,
      LOG_LEVEL: "fatal",
    },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  const address = `http://127.0.0.1:${port}`;
  const token = await signToken(secret, { role, user: "bench", expires: "1h" });
  try {
    while (
      !(await fetch(`${address}/readyz`).then(
        (response) => response.ok,
        () => false,
      ))
    ) {
      if (child.exitCode !== null) throw new Error("The server did not start.");
      await sleep(100);
    }
    await work({
      async ask(query, variables) {
        const response = await fetch(`${address}/graphql`, {
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
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) /
        1024,
    });
  } finally {
    child.kill();
    await ended;
  }
}
