/**
 * Measures how long it takes to add, fill and require a column of 1,000,000 contacts, and how long readers
 * and writers wait during that time, while a report runs repeatedly. A number after the name on the command
 * line sets another number of contacts.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { calculateHash } from "graphile-migrate/dist/hash.js";
import pg from "pg";

import { migrateDatabase } from "../server/migrations/migrate.ts";
import { milliseconds, withBenchDatabase } from "./harness.ts";

const contacts = Number(process.argv[3] ?? 1_000_000);

const migrations = [
  {
    name: "expand",
    text: `alter table crm.contacts add column bench_title text;
      alter table crm.contacts
        add constraint contacts_bench_title check (bench_title is not null) not valid;
      create function crm_private.bench_title() returns trigger language plpgsql
        as $$ begin new.bench_title := coalesce(new.bench_title, 'x'); return new; end $$;
      create trigger _100_bench before insert or update on crm.contacts
        for each row execute function crm_private.bench_title();`,
    fill: `with batch as (
        select id from crm.contacts where bench_title is null limit 5000
      )
      update crm.contacts as contact set bench_title = 'x' from batch where contact.id = batch.id`,
  },
  {
    name: "contract",
    text: "alter table crm.contacts validate constraint contacts_bench_title;",
  },
];

await withBenchDatabase(async (client, url) => {
  await client.query(
    `insert into crm.contacts (first_name, last_name)
     select 'First ' || n, 'Last ' || n from generate_series(1, $1::int) as n`,
    [contacts],
  );
  await client.query("vacuum analyze crm.contacts");

  const folder = mkdtempSync(join(tmpdir(), "pgcrm-bench-migrate-"));
  const own = join(import.meta.dirname, "../db/migrations");
  cpSync(join(own, "committed"), join(folder, "committed"), { recursive: true });
  mkdirSync(join(folder, "fill"));
  const last = readdirSync(join(folder, "committed")).toSorted().at(-1) ?? "";
  let previous = /^--! Hash: (\S+)$/m.exec(
    readFileSync(join(folder, "committed", last), "utf8"),
  )?.[1];
  let number = Number(last.slice(0, 6));

  const pool = new pg.Pool({ connectionString: url, max: 6 });
  let isDone = false;
  const waits: Record<string, number[]> = { read: [], write: [] };
  const repeat = async (kind: string, text: string) => {
    while (!isDone) {
      waits[kind]?.push(await milliseconds(() => pool.query(text)));
      await sleep(10);
    }
  };
  const report = async () => {
    while (!isDone)
      await pool.query("select count(*) from crm.contacts where last_name like '%99%'");
  };
  const others = Promise.all([
    report(),
    repeat("read", "select first_name from crm.contacts order by id limit 20"),
    repeat("write", "insert into crm.contacts (first_name, last_name) values ('a', 'b')"),
  ]);

  const migrateAll = async () => {
    for (const { name, text, fill } of migrations) {
      number += 1;
      const file = String(number).padStart(6, "0");
      const body = `${text}\n`;
      const hash = calculateHash(body, previous ?? null);
      writeFileSync(
        join(folder, "committed", `${file}.sql`),
        `--! Previous: ${previous ?? "-"}\n--! Hash: ${hash}\n\n${body}`,
      );
      if (fill !== undefined) writeFileSync(join(folder, "fill", `${file}.sql`), fill);
      previous = hash;
      const took = await milliseconds(() => migrateDatabase({ ownerUrl: url, folder }));
      console.log(`${name}: ${(took / 1000 / (contacts / 1e6)).toFixed(1)} s per million rows`);
    }
  };
  try {
    await migrateAll();
  } finally {
    isDone = true;
    await others;
    await pool.end();
  }
  for (const [kind, all] of Object.entries(waits)) {
    const sorted = all.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(0);
    console.log(`${kind}: ${sorted.length} times, median ${at(0.5)} ms, maximum ${at(1)} ms`);
  }
  rmSync(folder, { recursive: true });
});
