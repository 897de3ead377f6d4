/**
 * Measures a cheap query while all kinds of allowed requests run at the same time, including bulk writes:
 * many clients send requests without pause to a separate server with 100,000 contacts.
 *
 * BENCH_DATABASE_URL sets a database that is already filled. The benchmark adds rows to it.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { fill } from "./crm.ts";
import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";
import { cheap, expensive } from "./queries.ts";
import { type Running, withServer } from "./server.ts";

/** How long the clients send requests, in milliseconds. */
const duration = Number(process.env.BENCH_DURATION ?? 20_000);

/** Whether the runs of each kind alone are skipped: `npm run bench -- mix all`. */
const onlyMixes = process.argv[3] === "all";

/** How many clients send the same request at once. */
const crowd = 12;

const people = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    firstName: `First ${i}`,
    lastName: `Last ${Math.random()}`,
    emails: [`mix${i}@example.com`],
  }));

const values = (count: number) => Array.from({ length: count }, (_, i) => `Last ${i}`);

/** Requests that are not heavy alone, but are in large numbers. */
const kinds: Record<string, { query: string; variables?: object }> = {
  "names that are not among 500": {
    query: `query ($list: [String!]) {
      contacts(filter: { lastName: { notInInsensitive: $list } }) { totalCount }
    }`,
    variables: { list: values(500) },
  },
  "names that are not among 1,000": {
    query: `query ($list: [String!]) {
      contacts(filter: { lastName: { notIn: $list } }) { totalCount nodes { id } }
    }`,
    variables: { list: values(1000) },
  },
  "a search of all contacts": {
    query: `{ contacts(filter: { lastName: { likeInsensitive: "%a%b%c%" } }) { totalCount } }`,
  },
  "a search with a hundred fields": {
    query: `query ($filter: ContactFilter) { contacts(filter: $filter) { totalCount } }`,
    variables: {
      filter: {
        or: Array.from({ length: 30 }, (_, i) => ({ lastName: { likeInsensitive: `%a%${i}%z%` } })),
      },
    },
  },
  "2,000 rows": {
    query: `{ a: contacts(first: 1000) { nodes { id firstName lastName emails customFields } }
              b: contacts(first: 999) { nodes { id firstName lastName emails customFields } } }`,
  },
  "a list with its number": {
    query: `{ contacts(orderBy: UPDATED_AT_DESC) { totalCount nodes { id firstName } } }`,
  },
  "4,000 contacts written": {
    query: `mutation ($input: CreateContactsInput!) { createContacts(input: $input) { created } }`,
    variables: { input: { contacts: people(4000) } },
  },
};

async function measure(server: Running): Promise<void> {
  for (let i = 0; i < 50; i += 1) await server.ask(cheap);
  const alone: number[] = [];
  for (let i = 0; i < 50; i += 1) alone.push(await milliseconds(() => server.ask(cheap)));
  const usual = { name: "a cheap query alone", milliseconds: median(alone) };

  async function against(name: string, chosen: typeof kinds, sides: number): Promise<void> {
    const statuses = new Map<string, number>();
    const end = Date.now() + duration;
    const all = Object.entries(chosen).flatMap(([kind, { query, variables }]) =>
      Array.from({ length: sides }, async () => {
        while (Date.now() < end) {
          const status = await server.ask(query, variables);
          const key = `${status} ${kind}`;
          statuses.set(key, (statuses.get(key) ?? 0) + 1);
          if (status === "OVERLOADED") await sleep(1000);
        }
      }),
    );
    const took: number[] = [];
    let refused = 0;
    while (Date.now() < end) {
      took.push(
        await milliseconds(async () => {
          if ((await server.ask(cheap)) !== "OK") refused += 1;
        }),
      );
      await sleep(20);
    }
    await Promise.all(all);
    const sorted = [...took].sort((a, b) => a - b);
    printRatio(
      `${name}, ${sides} clients each (${[...statuses].map(([key, count]) => `${count} × ${key}`).join(", ")}); at the same time`,
      [
        usual,
        { name: `a cheap query, median of ${took.length}`, milliseconds: median(took) },
        { name: "99th percentile", milliseconds: sorted[Math.floor(sorted.length * 0.99)] ?? NaN },
        { name: `the slowest (${refused} refused)`, milliseconds: Math.max(...took) },
      ],
    );
  }

  if (!onlyMixes) {
    for (const [name, kind] of Object.entries(kinds)) await against(name, { [name]: kind }, crowd);
  }
  const heavy = Object.fromEntries(
    Object.entries(expensive).map(([name, query]) => [name, { query }]),
  );
  await against("all of these", kinds, 3);
  await against("all of these and the most expensive", { ...kinds, ...heavy }, 3);
}

const filled = process.env.BENCH_DATABASE_URL;
if (filled !== undefined) {
  await withServer(filled, "member", measure);
} else {
  await withBenchDatabase(async (client, url) => {
    await fill(client);
    await withServer(url, "member", measure);
  });
}
