/**
 * What the most expensive queries that are allowed cost, and what a cheap one notices of a hundred of
 * them: a server of its own over 100,000 contacts. Ratios are to the cheap query by itself.
 *
 * BENCH_DATABASE_URL takes a database that was filled before.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { signToken } from "../server/token.ts";
import { fill } from "./crm.ts";
import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";
import { cheap, expensive } from "./queries.ts";

const secret = "the secret of the benchmark, long enough";
const port = 5099;
const crowd = 100;

interface Running {
  ask(query: string): Promise<number>;
  /** Megabytes that the process has in memory. */
  memory(): number;
}

/** Serves a database in a process of its own, as `npm start` does. */
async function withServer(url: string, work: (server: Running) => Promise<void>): Promise<void> {
  const cli = join(import.meta.dirname, "../server/cli.ts");
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
  const token = await signToken(secret, { role: "reader", user: "bench", expires: "1h" });
  try {
    while (
      !(await fetch(`${address}/readyz`).then(
        (response) => response.ok,
        () => false,
      ))
    ) {
      if (child.exitCode !== null) throw new Error("the server does not start");
      await sleep(100);
    }
    await work({
      async ask(query) {
        const response = await fetch(`${address}/graphql`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            accept: "application/json",
            authorization: `Bearer ${token}`,
          },
          body: JSON.stringify({ query }),
        });
        const text = await response.text();
        if (text.includes('"errors":') && response.status !== 503) {
          throw new Error(`${response.status}: ${text.slice(-400)}`);
        }
        return response.status;
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

/** The most memory that something takes beyond what there was before. */
async function megabytes(server: Running, work: () => Promise<unknown>): Promise<number> {
  const before = server.memory();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, server.memory());
  }, 10);
  await work().finally(() => clearInterval(timer));
  return most - before;
}

/** How long a cheap query takes, asked again and again until something is done. */
async function meanwhile(server: Running, work: Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  const state = { isDone: false };
  const done = work.finally(() => {
    state.isDone = true;
  });
  while (!state.isDone) {
    took.push(await milliseconds(() => server.ask(cheap)));
    await sleep(20);
  }
  await done;
  return took;
}

async function measure(server: Running): Promise<void> {
  for (let i = 0; i < 50; i += 1) await server.ask(cheap);
  const alone: number[] = [];
  for (let i = 0; i < 50; i += 1) alone.push(await milliseconds(() => server.ask(cheap)));
  const usual = { name: "a cheap one by itself", milliseconds: median(alone) };

  const single = [];
  for (const [name, query] of Object.entries(expensive)) {
    let took = 0;
    const more = await megabytes(server, async () => {
      took = await milliseconds(() => server.ask(query));
    });
    single.push({ name: `${name} (+${more.toFixed(0)} MB)`, milliseconds: took });
  }
  printRatio("One of the most expensive queries", [usual, ...single]);

  for (const [name, query] of Object.entries(expensive)) {
    const statuses = new Map<number, number>();
    const all = Promise.all(
      Array.from({ length: crowd }, async () => {
        const status = await server.ask(query);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
    );
    const took = await meanwhile(server, all);
    const ends = [...statuses].map(([status, count]) => `${count} with ${status}`).join(", ");
    printRatio(`${crowd} of "${name}" at once, which end ${ends}; meanwhile`, [
      usual,
      { name: `a cheap one, median of ${took.length}`, milliseconds: median(took) },
      { name: "the slowest cheap one", milliseconds: Math.max(...took) },
    ]);
  }
}

const filled = process.env.BENCH_DATABASE_URL;
if (filled !== undefined) {
  await withServer(filled, measure);
} else {
  await withBenchDatabase(async (client, url) => {
    await fill(client);
    await withServer(url, measure);
  });
}
