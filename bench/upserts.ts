/**
 * Measures upserts by external id of one row and of lists, as crm_member, in a table with 120,000 external
 * ids. Ratios are relative to one row. A list of ten times as many rows should take ten times as long.
 */
import type pg from "pg";

import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";

const known = 120_000;
const rounds = 5;

async function upsert(client: pg.Client, count: number, source = "crm"): Promise<number> {
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
  await client.query(
    `insert into crm.contacts (first_name, last_name, external_ids)
     select 'First', 'Last ' || i, array[row('crm', i::text)::crm.external_id]
     from generate_series(1, ${known}) as i`,
  );
  await client.query("vacuum analyze");
  printRatio(`Upserts among ${known} external ids`, [
    { name: "one existing row", milliseconds: await upsert(client, 1) },
    { name: "1,000 existing rows", milliseconds: await upsert(client, 1000) },
    { name: "10,000 existing rows", milliseconds: await upsert(client, 10_000) },
    { name: "10,000 new rows", milliseconds: await upsert(client, 10_000, "other") },
  ]);
});
