/**
 * What validation and the journal cost in bulk: 10,000 contacts with three custom fields each, in one
 * statement, against the same insert into the same tables with every trigger off. Both are timed in
 * turn, in one session, so that what the machine does meanwhile meets both.
 */
import type pg from "pg";

import { milliseconds, median, printRatio, withBenchDatabase } from "./harness.ts";

const contacts = 10_000;
const rounds = 15;

const insert = `
  insert into crm.contacts (first_name, last_name, emails, phones, custom_fields)
  select
    'First ' || i,
    'Last ' || i,
    array['user' || i || '@example.com'],
    array['+49 30 ' || i],
    jsonb_build_object('industry', 'software', 'employees', i, 'customer_since', '2020-01-01')
  from generate_series(1, ${contacts}) as i`;

/** Times the insert and takes it back, together with the space that it took. */
async function time(client: pg.Client, replicationRole: "origin" | "replica"): Promise<number> {
  await client.query(`set session_replication_role = ${replicationRole}`);
  await client.query("begin");
  const took = await milliseconds(() => client.query(insert));
  await client.query("rollback");
  await client.query("vacuum crm.contacts, crm.audit_logs");
  return took;
}

await withBenchDatabase(async (client) => {
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
     values
       ('industry', 'Industry', 'contact', 'enum', '{software,hardware}'),
       ('employees', 'Employees', 'contact', 'number', null),
       ('customer_since', 'Customer since', 'contact', 'date', null)`,
  );
  const off: number[] = [];
  const on: number[] = [];
  await time(client, "replica"); // warms the caches
  for (let round = 0; round < rounds; round += 1) {
    off.push(await time(client, "replica"));
    on.push(await time(client, "origin"));
  }
  printRatio(`${contacts} contacts in one statement`, [
    { name: "triggers off", milliseconds: median(off) },
    { name: "validated and journalled", milliseconds: median(on) },
  ]);
});
