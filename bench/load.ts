/**
 * What the most expensive queries that are allowed cost, and what a cheap one notices of a hundred of
 * them: a server of its own over 100,000 contacts. Ratios are to the cheap query by itself.
 *
 * BENCH_DATABASE_URL takes a database that was filled before.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { fill } from "./crm.ts";
import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";
import { cheap, expensive } from "./queries.ts";
import { type Running, withServer } from "./server.ts";

const crowd = 100;

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
  await withServer(filled, "reader", measure);
} else {
  await withBenchDatabase(async (client, url) => {
    await fill(client);
    await withServer(url, "reader", measure);
  });
}
