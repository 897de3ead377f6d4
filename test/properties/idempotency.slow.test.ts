import { randomUUID } from "node:crypto";

import { expect, test } from "@jest/globals";
import fc from "fast-check";

import { withConnection } from "../../server/postgres/connect.ts";
import { type Answer, useTestServer } from "../helpers/server.ts";

/*
 * The law of idempotency keys: whatever is sent with a key, and however often, the database is as if
 * it had been sent once without.
 */

const server = useTestServer();

const documents = {
  createCompany: `mutation ($input: CreateCompanyInput!) {
    done: createCompany(input: $input) { company { id version } }
  }`,
  updateCompany: `mutation ($input: UpdateCompanyInput!) {
    done: updateCompany(input: $input) { company { id name version updatedAt } }
  }`,
  createNote: `mutation ($input: CreateNoteInput!) {
    done: createNote(input: $input) { note { id company { notes { totalCount } } } }
  }`,
  deleteCompany: `mutation ($input: DeleteCompanyInput!) {
    done: deleteCompany(input: $input) { company { id } }
  }`,
};

/** A name that is blank is refused, and so is whatever is done to a company that is gone. */
const name = fc.constantFrom("Acme", "Bolt", "Cog", " ");
const deed = fc.record({
  kind: fc.constantFrom(...(Object.keys(documents) as (keyof typeof documents)[])),
  name,
  /** Which of the companies that there have been. */
  at: fc.nat({ max: 5 }),
  repeats: fc.nat({ max: 2 }),
  /** When the repeats are sent: along with the first, right after it, or when all else is done. */
  when: fc.constantFrom("along", "after", "last"),
});
type Deed = typeof deed extends fc.Arbitrary<infer Value> ? Value : never;

/** What is another one each time: ids, users and times. */
const own = /[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.+]+/g;

type Done = Answer<{ done: { company?: { id: string } | null } | null }>;

/** Does the deeds in the name of a user. What that comes to: rows and audit log entries. */
async function carryOut(
  user: string,
  actors: readonly Deed[],
  repeated: boolean,
): Promise<unknown> {
  const companies: string[] = [];
  const last: (() => Promise<void>)[] = [];
  for (const { kind, name, at, repeats, when } of actors) {
    const id = companies[at % companies.length] ?? randomUUID();
    const input = {
      createCompany: { company: { name } },
      updateCompany: { id, patch: { name } },
      createNote: { note: { content: name, entityType: "company", entityId: id } },
      deleteCompany: { id },
    }[kind];
    const key = repeated ? { idempotencyKey: randomUUID() } : {};
    const send = () =>
      server.graphql(documents[kind], { input: { ...input, ...key } }, { user }) as Promise<Done>;

    const others = Array.from({ length: repeated ? repeats : 0 }, () => send);
    const along = when === "along" ? others.map((other) => other()) : [];
    const first = await send();
    const expectSame = async (answer: Promise<Done>) => {
      if (first.data?.done != null) expect(await answer).toEqual(first);
      else expect(await answer).toMatchObject({ data: { done: null } });
    };
    for (const answer of along) await expectSame(answer);
    const repeat = async () => {
      for (const other of others) await expectSame(other());
    };
    if (when === "after") await repeat();
    if (when === "last") last.push(repeat);
    if (kind === "createCompany" && first.data?.done?.company) {
      companies.push(first.data.done.company.id);
    }
  }
  for (const send of last) await send();
  return withConnection(server.database.ownerUrl, async (client) => {
    const find = async (text: string, values: unknown[]): Promise<string[]> => {
      const { rows } = await client.query<[string]>({ text, values, rowMode: "array" });
      return rows.map(([row]) => row.replaceAll(own, "own"));
    };
    const rows = await find(
      `select concat(company.name, ' ', company.version, ' ', count(note))
       from unnest($1::uuid[]) with ordinality as made (id, position)
       left join crm.companies as company on company.id = made.id
       left join crm.notes as note on note.company_id = made.id
       group by made.position, company.id
       order by made.position`,
      [companies],
    );
    const auditLog = await find(
      "select concat(action, entity_type, changes) from crm.audit_logs where user_id = $1",
      [user],
    );
    return { rows, auditLog: auditLog.sort() };
  });
}

test("mutations that are sent one to three times with a key do what they do once without", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 8 }), async (actors) => {
      const once = await carryOut(randomUUID(), actors, false);
      expect(await carryOut(randomUUID(), actors, true)).toEqual(once);
    }),
    { numRuns: 100 },
  );
}, 120_000);
