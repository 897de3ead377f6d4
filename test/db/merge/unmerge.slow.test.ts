import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase } from "../../helpers/database.ts";

/** The id of the contact or company with this number. */
const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

const stamps = ["version", "updated_at", "updated_by"];

/** Every row of every table, without what any change moves on. */
async function everything(client: pg.Client): Promise<unknown> {
  const state: Record<string, unknown[]> = {};
  for (const table of ["contacts", "companies", "deals", "tasks", "notes"]) {
    const { rows } = await client.query<{ row: unknown }>(
      `select to_jsonb(t) - $1::text[] as row from crm.${table} as t order by id`,
      [stamps],
    );
    state[table] = rows.map(({ row }) => row);
  }
  return state;
}

/*
 * The law: whatever hangs on whatever, undoing the transaction of a merge gives every row back as it
 * was, the losers with their ids, and everything that was moved with whom it hung on before.
 */
test("undoing a merge un-merges exactly", async () => {
  const person = fc.integer({ min: 1, max: 5 });
  const company = fc.integer({ min: 101, max: 103 });
  const graph = fc.record({
    emails: fc.array(fc.array(fc.constantFrom("a@x.org", "A@x.org", "b@x.org")), {
      minLength: 5,
      maxLength: 5,
    }),
    employers: fc.array(fc.option(company), { minLength: 5, maxLength: 5 }),
    deals: fc.array(fc.tuple(company, fc.option(person)), { maxLength: 8 }),
    notes: fc.array(fc.oneof(person, company), { maxLength: 8 }),
    merged: fc.uniqueArray(person, { minLength: 2 }),
    mergedCompanies: fc.uniqueArray(company, { minLength: 2 }),
  });

  const database = await createTestDatabase();
  await withConnection(database.ownerUrl, (client) =>
    fc.assert(
      fc.asyncProperty(graph, async (given) => {
        await client.query("delete from crm.companies");
        await client.query("delete from crm.contacts");
        await client.query(
          `insert into crm.companies (id, name) select id, 'Acme' from unnest($1::uuid[]) as id`,
          [[101, 102, 103].map(id)],
        );
        for (const [index, emails] of given.emails.entries()) {
          const employer = given.employers[index];
          await client.query(
            `insert into crm.contacts (id, first_name, last_name, emails, company_id)
             values ($1, 'Ada', 'Lovelace', $2, $3)`,
            [id(index + 1), emails, employer == null ? null : id(employer)],
          );
        }
        for (const [dealCompany, contact] of given.deals) {
          await client.query(
            `insert into crm.deals (title, company_id, contact_id, value, stage)
             values ('Engine', $1, $2, 1, 'Won')`,
            [id(dealCompany), contact === null ? null : id(contact)],
          );
        }
        for (const entity of given.notes) {
          const values = [entity > 100 ? "company" : "contact", id(entity)];
          await client.query(
            "insert into crm.notes (content, entity_type, entity_id) values ('Hm', $1, $2)",
            values,
          );
          await client.query(
            "insert into crm.tasks (description, entity_type, entity_id) values ('Hm', $1, $2)",
            values,
          );
        }

        const states = [await everything(client)];
        const transactions: string[] = [];
        for (const [kind, [winner = 0, ...losers]] of [
          ["contacts", given.merged],
          ["companies", given.mergedCompanies],
        ] as const) {
          const { rows } = await client.query<{ transaction_id: string }>(
            `select transaction_id from crm.merge_${kind}($1, $2)`,
            [id(winner), losers.map(id)],
          );
          transactions.push(rows[0]?.transaction_id ?? "");
          states.push(await everything(client));
        }
        for (const transaction of transactions.reverse()) {
          states.pop();
          await client.query("select crm.undo_transaction($1)", [transaction]);
          expect(await everything(client)).toEqual(states.at(-1));
        }
      }),
      { numRuns: 100 },
    ),
  );
  await database.drop();
}, 120_000);
