/**
 * Measures the most expensive queries that are allowed, and a cheap query while a hundred of them run, on
 * a separate server with 100,000 contacts. Ratios are relative to the cheap query alone.
 *
 * BENCH_DATABASE_URL sets a database that is already filled.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { fill } from "./crm.ts";
import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";
import { cheap, expensive } from "./queries.ts";
import { type Running, withServer } from "./server.ts";

const crowd = 100;

/** Returns the peak of additional memory during the work, in megabytes. */
async function megabytes(server: Running, work: () => Promise<unknown>): Promise<number> {
  const before = server.memory();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, server.memory());
  }, 10);
  await work().finally(() => clearInterval(timer));
  return most - before;
}

/** Returns the times of a cheap query that is repeated until the work is done, in milliseconds. */
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
  const usual = { name: "a cheap query alone", milliseconds: median(alone) };

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
    const statuses = new Map<string, number>();
    const all = Promise.all(
      Array.from({ length: crowd }, async () => {
        const status = await server.ask(query);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
    );
    const took = await meanwhile(server, all);
    const ends = [...statuses].map(([status, count]) => `${count} with ${status}`).join(", ");
    printRatio(`${crowd} of "${name}" at once (status ${ends}); at the same time`, [
      usual,
      { name: `a cheap query, median of ${took.length}`, milliseconds: median(took) },
      { name: "the slowest cheap query", milliseconds: Math.max(...took) },
    ]);
  }
}

const filled = process.env.BENCH_DATABASE_URL;
if (filled !== undefined) {
  await withServer(filled, "reader", measure);
} else {
  await withBenchDatabase(async (client, url) => {
    await fill(client);
    await withServer(url, "reader", measure);
  });
}
