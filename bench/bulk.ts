/**
 * Measures the cost of validation and the audit log in bulk: an insert of 10,000 contacts with three custom
 * fields each, in one statement, compared with the same insert without triggers. The two alternate in one
 * session, so that other load on the machine affects both.
 *
 * Then compares 100,000 contacts through GraphQL, 10,000 in each mutation, with the same rows in plain
 * statements of 10,000 with triggers. The two alternate as well.
 */
import type pg from "pg";

import { milliseconds, median, printRatio, withBenchDatabase } from "./harness.ts";
import { withServer } from "./server.ts";

const contacts = 10_000;
const rounds = 15;
const lists = 10;

const insert = `
  insert into crm.contacts (first_name, last_name, emails, phones, custom_fields)
  select
    'First ' || i,
    'Last ' || i,
    array['user' || i || '@example.com'],
    array['+49 30 ' || i],
    jsonb_build_object('industry', 'software', 'employees', i, 'customer_since', '2020-01-01')
  from generate_series(1, ${contacts}) as i`;

/** Measures the insert, then rolls it back and frees its space. */
async function time(client: pg.Client, replicationRole: "origin" | "replica"): Promise<number> {
  await client.query(`set session_replication_role = ${replicationRole}`);
  await client.query("begin");
  const took = await milliseconds(() => client.query(insert));
  await client.query("rollback");
  await client.query("vacuum crm.contacts, crm.audit_logs");
  return took;
}

const mutation = `mutation ($input: CreateContactsInput!) {
  createContacts(input: $input) { created }
}`;

/** The rows of the insert, as a client sends them. */
const people = Array.from({ length: contacts }, (_, i) => ({
  firstName: `First ${i + 1}`,
  lastName: `Last ${i + 1}`,
  emails: [`user${i + 1}@example.com`],
  phones: [`+49 30 ${i + 1}`],
  customFields: { industry: "software", employees: i + 1, customer_since: "2020-01-01" },
}));

await withBenchDatabase(async (client, url) => {
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
    { name: "validated and logged", milliseconds: median(on) },
  ]);

  await client.query("set session_replication_role = origin");
  await withServer(url, "member", async (server) => {
    let plain = 0;
    let bulk = 0;
    for (let list = 0; list < lists; list += 1) {
      plain += await milliseconds(() => client.query(insert));
      bulk += await milliseconds(() => server.ask(mutation, { input: { contacts: people } }));
    }
    printRatio(`${lists * contacts} contacts, ${contacts} at a time`, [
      { name: "plain statements, validated and logged", milliseconds: plain },
      { name: "bulk mutations through GraphQL", milliseconds: bulk },
    ]);
  });
});
