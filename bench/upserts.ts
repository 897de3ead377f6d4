/**
 * Measures upserts by external id of one row and of lists, as crm_member, among 100,000 and among 1,000,000
 * contacts with an external id. Ratios are relative to one row among 100,000. The time of a list should be
 * the same among ten times as many rows. A number after the name on the command line sets another number of
 * contacts, instead of both.
 */
import type pg from "pg";

import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";

const sizes = process.argv[3] === undefined ? [100_000, 1_000_000] : [Number(process.argv[3])];
const rounds = 5;

async function upsert(
  client: pg.Client,
  known: number,
  count: number,
  source = "crm",
): Promise<number> {
  const rows = Array.from({ length: count }, (_, i) => ({
    external_id: { source, id: String(1 + ((i * 11) % known)) },
    first_name: "First",
    last_name: `Last ${Math.random()}`,
  }));
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await client.query("begin; set local role crm_member");
    times.push(
      await milliseconds(() =>
        client.query("select created from crm_private.write_rows('contact', 'upsert', $1)", [
          JSON.stringify(rows),
        ]),
      ),
    );
    await client.query("rollback");
  }
  return median(times);
}

await withBenchDatabase(async (client) => {
  const measured = [];
  let known = 0;
  for (const size of sizes) {
    await client.query(
      `insert into crm.contacts (first_name, last_name, external_ids)
       select 'First', 'Last ' || i, array[row('crm', i::text)::crm.external_id]
       from generate_series(${known + 1}, ${size}) as i`,
    );
    await client.query("vacuum analyze");
    known = size;
    const among = `among ${size}`;
    measured.push(
      { name: `one existing row, ${among}`, milliseconds: await upsert(client, known, 1) },
      { name: `100 existing rows, ${among}`, milliseconds: await upsert(client, known, 100) },
      { name: `10,000 existing rows, ${among}`, milliseconds: await upsert(client, known, 10_000) },
      {
        name: `10,000 new rows, ${among}`,
        milliseconds: await upsert(client, known, 10_000, "other"),
      },
    );
  }
  const [first, ...others] = measured;
  if (first) printRatio("Upserts by external id", [first, ...others]);
});
