import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { withConnection } from "../../server/postgres/connect.ts";
import { type Carrier, carriers, contact, type Data, deal, note, task } from "./arbitraries.ts";
import { type Api, present, type Row } from "./api.ts";
import { holds, openApis } from "./apis.ts";
import { expectUnlinked } from "./expected.ts";

const { apis, ownerUrl } = openApis();

/** Which of those that there are; none where there are none. */
const which = fc.nat({ max: 11 });
const maybe = fc.option(which, { nil: undefined });
const attachment = fc.record({ on: fc.constantFrom(...carriers), at: which });

/** A small CRM: everything linked to anything that it may be linked to. */
const graph = fc.record({
  companies: fc.integer({ min: 1, max: 3 }),
  contacts: fc.array(fc.record({ data: contact, company: maybe }), { maxLength: 3 }),
  deals: fc.array(fc.record({ data: deal, company: which, contact: maybe }), { maxLength: 3 }),
  tasks: fc.array(fc.record({ data: task, to: attachment }), { maxLength: 3 }),
  notes: fc.array(fc.record({ data: note, to: attachment }), { maxLength: 3 }),
});
type Graph = typeof graph extends fc.Arbitrary<infer Value> ? Value : never;
type Rows = Record<"company" | "contact" | "deal" | "task" | "note", Row[]>;

function pick(rows: Row[], at: number | undefined): string | null {
  return at === undefined || rows.length === 0 ? null : drawn(rows, at).id;
}

function drawn<Item>(items: Item[], at: number): Item {
  const item = items[at % items.length];
  if (item === undefined) throw new Error("there is nothing to draw from");
  return item;
}

async function build(api: Api, plan: Graph): Promise<Rows> {
  const company = await api.createAll(
    "company",
    Array.from({ length: plan.companies }, (_, index) => ({ name: `Company ${index}` })),
  );
  const contact = await api.createAll(
    "contact",
    plan.contacts.map(({ data, company: at }) => ({ ...data, companyId: pick(company, at) })),
  );
  const deal = await api.createAll(
    "deal",
    plan.deals.map(({ data, company: at, contact: of }) => ({
      ...data,
      companyId: pick(company, at),
      contactId: pick(contact, of),
    })),
  );
  const targets: Record<Carrier, Row[]> = { company, contact, deal };
  const attach = ({ data, to }: { data: Data; to: { on: Carrier; at: number } }): Data[] => {
    const entityId = pick(targets[to.on], to.at);
    return entityId === null ? [] : [{ ...data, entityType: to.on, entityId }];
  };
  const task = await api.createAll("task", plan.tasks.flatMap(attach));
  const note = await api.createAll("note", plan.notes.flatMap(attach));
  return { company, contact, deal, task, note };
}

/** The ids that go when one goes: itself, the deals of a company, and what is attached to any. */
function doomed(rows: Rows, id: string): Set<string> {
  const deals = rows.deal.filter(({ companyId }) => companyId === id);
  const carriers = new Set([id, ...deals.map((deal) => deal.id)]);
  const attached = [...rows.task, ...rows.note].filter((row) => carriers.has(String(row.entityId)));
  return new Set([...carriers, ...attached.map((row) => row.id)]);
}

/** The link of a row that leads to what is deleted, if it has one that may be cut. */
function severed(row: Row, id: string): "companyId" | "contactId" | undefined {
  if ("entityId" in row) return undefined;
  return (["companyId", "contactId"] as const).find((link) => row[link] === id);
}

describe.each(apis)("deletions through $name", (api) => {
  // Feature: core-data-models, Property 26: Referential integrity on deletion
  // Departure: nothing that is linked to keeps an entity from being deleted, only a stage is kept by
  // its deals (see below); what is deleted is gone, and the audit log is its trash.
  test("whatever is deleted takes along what cannot be without it, and is cut from what can", () =>
    holds(fc.record({ graph, at: fc.nat() }), async ({ graph, at }) => {
      const rows = await build(api, graph);
      const all = carriers.flatMap((kind) => rows[kind].map(({ id }) => ({ kind, id })));
      const { kind, id } = drawn(all, at);
      const gone = doomed(rows, id);

      await api.remove(kind, id);

      for (const entity of ["company", "contact", "deal", "task", "note"] as const) {
        for (const before of rows[entity]) {
          const after = await api.find(entity, before.id);
          const link = severed(before, id);
          if (gone.has(before.id)) expect(after).toBeNull();
          else if (link === undefined) expect(after).toEqual(before);
          else expectUnlinked(before, present(after), link);
        }
      }
    }));
});

// Property 26 again, for what keeps a row from being deleted.
test("a stage goes if no deal is at it, and is kept with its deals otherwise (RESTRICT)", () =>
  withConnection(ownerUrl(), (client) =>
    holds(
      fc.record({
        name: fc.uuid(),
        deals: fc.integer({ min: 0, max: 3 }),
        others: fc.integer({ min: 0, max: 2 }),
        role: fc.constantFrom("crm_admin", "postgres"),
      }),
      async ({ name, deals, others, role }) => {
        await client.query("begin");
        try {
          await client.query(
            `with stage as (
               insert into crm.pipeline_stages (name) values ($1), ($1 || ' too') returning name
             ), company as (
               insert into crm.companies (name) values ('Acme') returning id
             )
             select from stage, company`,
            [name],
          );
          await client.query(
            `insert into crm.deals (title, value, company_id, stage)
             select 'D', 1, (select id from crm.companies limit 1), $1 from generate_series(1, $2)
             union all
             select 'D', 1, (select id from crm.companies limit 1), $1 || ' too' from generate_series(1, $3)`,
            [name, deals, others],
          );
          await client.query("select set_config('role', $1, true)", [role]);
          await client.query("savepoint deletion");
          const outcome = await client
            .query("delete from crm.pipeline_stages where name = $1", [name])
            .then(
              ({ rowCount }) => ({ deleted: rowCount }),
              (error: unknown) => {
                const { code, constraint } = error as pg.DatabaseError;
                return { code, constraint };
              },
            );
          if (deals === 0) {
            expect(outcome).toEqual({ deleted: 1 });
          } else {
            expect(outcome).toEqual({ code: "23503", constraint: "deals_stage_exists" });
            await client.query("rollback to savepoint deletion");
          }
          const { rows } = await client.query<{ stage: string; deals: string }>(
            `select stage.name as stage, count(deal.id) as deals
             from crm.pipeline_stages as stage
             left join crm.deals as deal on deal.stage = stage.name
             where starts_with(stage.name, $1)
             group by 1 order by 1`,
            [name],
          );
          expect(rows).toEqual([
            ...(deals === 0 ? [] : [{ stage: name, deals: String(deals) }]),
            { stage: `${name} too`, deals: String(others) },
          ]);
        } finally {
          await client.query("rollback");
        }
      },
    ),
  ));
