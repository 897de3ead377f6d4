import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { signToken } from "../../server/auth/token.ts";
import { type Answer, jwtSecret } from "./server.ts";

const programs = {
  /** Serves until it is told to stop. */
  once: [join(import.meta.dirname, "../../server/cli/cli.ts"), "start"],
  /** Serves anew each time it was told to stop; being ready again costs less than a new process. */
  again: [join(import.meta.dirname, "serve-again.ts")],
};

/** A server in a process of its own, which can be killed. */
export interface ServerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  /** Resolves when the process says so on its standard output. */
  said(line: string): Promise<void>;
  /**
   * Asks as an administrator. A refused connection counts as an answer with the status 0; every other
   * failure is thrown.
   *
   * @param keepAlive whether the connection is used again; yes if not given.
   */
  ask<Data = unknown>(query: string, keepAlive?: boolean): Promise<Answer<Data>>;
  /** The status of a path. */
  status(path: string): Promise<number>;
}

/**
 * Starts a server that serves a database, which need not answer yet.
 *
 * @param program what becomes of it when it is told to stop.
 */
export async function spawnServer(
  databaseUrl: string,
  program: keyof typeof programs = "once",
): Promise<ServerProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, programs[program], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: databaseUrl,
      PORT: String(port),
      JWT_SECRET: jwtSecret,
      LOG_LEVEL: "silent",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout);
  const url = `http://127.0.0.1:${port}`;
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "1h" });
  const agent = new Agent({ keepAlive: true });

  async function ask<Data>(query: string, keepAlive = true): Promise<Answer<Data>> {
    const asking = request(`${url}/graphql`, {
      method: "POST",
      agent: keepAlive ? agent : false,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    });
    asking.end(JSON.stringify({ query }));
    return new Promise((resolve, reject) => {
      asking.once("error", (error: NodeJS.ErrnoException) => {
        const isRefused = error.code === "ECONNREFUSED" || error.syscall === "connect";
        if (isRefused) resolve({ status: 0 });
        else reject(error);
      });
      asking.once("response", (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
        response.once("error", reject);
        response.once("end", () => {
          const answer = JSON.parse(body) as Omit<Answer<Data>, "status">;
          for (const error of answer.errors ?? []) delete error.extensions.requestId;
          resolve({ status: response.statusCode ?? 0, ...answer });
        });
      });
    });
  }

  return {
    child,
    url,
    ended: once(child, "exit").then(([code]) => code as number | null),
    said: (line) =>
      new Promise((resolve) => {
        lines.on("line", function listener(text) {
          if (text !== line) return;
          lines.off("line", listener);
          resolve();
        });
      }),
    ask,
    status: async (path) =>
      fetch(url + path).then(
        ({ status }) => status,
        () => 0,
      ),
  };
}

/** Asks until something is so, and tells how long that took, in milliseconds. */
export async function until(isSo: () => Promise<boolean>): Promise<number> {
  const begin = Date.now();
  while (!(await isSo())) {
    if (Date.now() - begin > 200_000) throw new Error("It does not come about.");
    await sleep(50);
  }
  return Date.now() - begin;
}

/**
 * A port of this machine that nobody listens on. The system takes those for outgoing connections
 * from 32768 on, so between the look and its use nobody is given this one by chance.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(16_384, 32_768);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}
