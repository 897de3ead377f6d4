import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

/** A company, and a deal at 20 % in a stage whose default is 20. */
async function fill(client: pg.Client): Promise<void> {
  await client.query(
    `update crm.pipeline_stages set probability = 20 where name = 'Prospecting';
     update crm.pipeline_stages set probability = 80 where name = 'Negotiation';
     insert into crm.companies (name) values ('Acme');
     insert into crm.deals (title, company_id, value, stage)
     select 'Engine', id, 100, 'Prospecting' from crm.companies`,
  );
}

interface State {
  stage: string;
  probability: number;
  given: boolean;
  closed: boolean;
}

async function state(client: pg.Client, title = "Engine"): Promise<State | undefined> {
  const { rows } = await client.query<State>(
    `select stage, probability, probability_given as given, closed_at is not null as closed
     from crm.deals where title = $1`,
    [title],
  );
  return rows[0];
}

describe("a probability", () => {
  test("that is not given follows the stage, to 100 where it is won and 0 where it is lost", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      const seen = [];
      for (const stage of ["Negotiation", "Won", "Proposal", "Lost", "Won"]) {
        await client.query("update crm.deals set stage = $1", [stage]);
        seen.push((await state(client))?.probability);
      }
      expect(seen).toEqual([80, 100, 50, 0, 100]);
      expect(await state(client)).toMatchObject({ given: false });
    }));

  test("that is given stays while the deal is open", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      await client.query("update crm.deals set probability = 33");
      await client.query("update crm.deals set stage = 'Negotiation'");
      expect(await state(client)).toMatchObject({ probability: 33, given: true });
      await client.query("update crm.deals set stage = 'Won'");
      expect(await state(client)).toMatchObject({ probability: 100, given: false });
      await client.query("update crm.deals set stage = 'Negotiation'");
      expect(await state(client)).toMatchObject({ probability: 80, given: false });
    }));

  test.each([
    [20, "Negotiation"],
    [20, "Won"],
    [90, "Won"],
    [5, "Lost"],
    [0, "Won"],
  ])("of %i that the same write gives with the stage %s is kept", (probability, stage) =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      await client.query("update crm.deals set stage = $1, probability = $2", [stage, probability]);
      expect(await state(client)).toMatchObject({ stage, probability, given: true });
      await client.query(
        `insert into crm.deals (title, company_id, value, stage, probability)
         select 'New', id, 1, $1, $2 from crm.companies`,
        [stage, probability],
      );
      expect(await state(client, "New")).toMatchObject({ stage, probability, given: true });
    }),
  );

  test("that is sent back as it was read, by a form, is not given", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      await client.query("update crm.deals set title = title, stage = stage, probability = 20");
      const { rows } = await client.query("select version, probability_given from crm.deals");
      expect(rows).toEqual([{ version: 1, probability_given: false }]);
    }));

  test("that is set to null follows the stage again", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      await client.query("update crm.deals set probability = 33");
      await client.query("update crm.deals set probability = null");
      expect(await state(client)).toMatchObject({ probability: 20, given: false });
    }));

  test("follows a stage whose own probability changes, unless it is given", () =>
    withRollback(async (client) => {
      await fill(client);
      await client.query(
        `insert into crm.deals (title, company_id, value, stage, probability)
         select 'Given', id, 1, 'Prospecting', 33 from crm.companies`,
      );
      await asRole(client, "crm_admin", "eve");
      await client.query(
        "update crm.pipeline_stages set probability = 25, name = 'First' where name = 'Prospecting'",
      );
      expect(await state(client)).toMatchObject({ stage: "First", probability: 25 });
      expect(await state(client, "Given")).toMatchObject({ stage: "First", probability: 33 });
    }));

  test("cannot be passed off as given, or as not", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_admin", "eve");
      for (const column of ["probability_given = true", "closed_at = now()"]) {
        expect(await refusal(client, `update crm.deals set ${column}`)).toMatchObject({
          code: "42501",
        });
      }
    }));

  test("is told from one that stays in a bulk write, too", () =>
    withRollback(async (client) => {
      await fill(client);
      await client.query(
        `insert into crm.deals (title, company_id, value, stage)
         select 'Same', id, 1, 'Prospecting' from crm.companies`,
      );
      await asRole(client, "crm_member", "ann");
      await client.query(
        `select crm_private.write_rows('deal', 'update', jsonb_agg(
           jsonb_build_object('id', id, 'stage', 'Negotiation')
             || case title when 'Same' then '{"probability": 20}' else '{}' end::jsonb
         )) from crm.deals`,
      );
      expect(await state(client)).toMatchObject({ probability: 80, given: false });
      expect(await state(client, "Same")).toMatchObject({ probability: 20, given: true });
    }));

  test("is restored and looked back at as it was", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      await client.query("update crm.deals set stage = 'Won'");
      const { rows } = await client.query<{ id: string; deal: object }>(
        "select id, to_jsonb(deals) - '{version,updated_at}'::text[] as deal from crm.deals",
      );
      await client.query("delete from crm.deals");
      await client.query("select crm.restore_deleted('deal', $1)", [rows[0]?.id]);
      const { rows: back } = await client.query(
        `select to_jsonb(deals) - '{version,updated_at}'::text[] as now,
           to_jsonb(crm.deal_as_of(id, 'infinity')) - '{version,updated_at}'::text[] as was
         from crm.deals`,
      );
      const { deal } = rows[0] ?? {};
      expect(back).toEqual([{ now: deal, was: { ...deal, search_document: null } }]);
    }));

  test("that follows is no conflict of an undo, and what follows comes back with the stage", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      await client.query("update crm.deals set stage = 'Won'");
      const { rows } = await client.query<{ id: string; deal: string }>(
        "select id, entity_id as deal from crm.audit_logs where entity_type = 'deal' order by id desc limit 1",
      );
      await client.query("reset role");
      await client.query(
        "update crm.pipeline_stages set probability = 30 where name = 'Prospecting'",
      );
      await asRole(client, "crm_member", "ann");
      await client.query("select crm.undo_entry($1)", [rows[0]?.id]);
      expect(await state(client)).toEqual({
        ...{ stage: "Prospecting", probability: 30, given: false, closed: false },
      });
      expect(
        await refusal(client, "select crm.undo_field('deal', $1, 'closedAt', $2)", [
          rows[0]?.deal,
          rows[0]?.id,
        ]),
      ).toMatchObject({ code: "23514", fields: { field: [expect.any(String)] } });
    }));
});

describe("closed_at", () => {
  test("is when a deal came into a won or lost stage, and none once it is reopened", () =>
    withRollback(async (client) => {
      await fill(client);
      await asRole(client, "crm_member", "ann");
      const closedAt = async () =>
        (await client.query<{ at: Date | null }>("select closed_at as at from crm.deals")).rows[0]
          ?.at ?? null;
      await client.query("update crm.deals set stage = 'Won'");
      const won = await closedAt();
      expect(won).not.toBeNull();
      await client.query("update crm.deals set title = 'Engine 2', probability = 90");
      expect(await closedAt()).toEqual(won);
      await client.query("select pg_sleep(0.002)");
      await client.query("update crm.deals set stage = 'Lost'");
      expect(Number(await closedAt())).toBeGreaterThan(Number(won));
      await client.query("update crm.deals set stage = 'Proposal'");
      expect(await closedAt()).toBeNull();
    }));

  test("is set for a deal that is created won, and follows the kind and not the name of the stage", () =>
    withRollback(async (client) => {
      await fill(client);
      await client.query("update crm.deals set stage = 'Won', probability = 90");
      const { rows: before } = await client.query("select closed_at from crm.deals");
      await client.query("update crm.pipeline_stages set name = 'Gained' where name = 'Won'");
      const { rows: after } = await client.query("select closed_at from crm.deals");
      expect(after).toEqual(before);
      expect(await state(client)).toMatchObject({ probability: 90, given: true });
      await client.query(
        `insert into crm.deals (title, company_id, value, stage)
         select 'New', id, 1, 'Gained' from crm.companies`,
      );
      expect(await state(client, "New")).toMatchObject({ probability: 100, closed: true });
      await client.query(
        "update crm.pipeline_stages set kind = 'open', probability = 60 where name = 'Gained'",
      );
      expect(await state(client, "New")).toMatchObject({ probability: 60, closed: false });
      expect(await state(client)).toMatchObject({ probability: 90, closed: false });
      await client.query("update crm.pipeline_stages set kind = 'lost' where name = 'Gained'");
      expect(await state(client)).toMatchObject({ probability: 0, closed: true });
    }));
});

test("why a deal was lost goes with the loss", () =>
  withRollback(async (client) => {
    await fill(client);
    await asRole(client, "crm_member", "ann");
    const reason = async () =>
      (await client.query<{ lost_reason: string | null }>("select lost_reason from crm.deals"))
        .rows[0]?.lost_reason;
    await client.query("update crm.deals set stage = 'Lost', lost_reason = 'price'");
    expect(await reason()).toBe("price");
    await client.query("update crm.deals set title = 'Engine 2'");
    expect(await reason()).toBe("price");
    await client.query("update crm.deals set stage = 'Proposal'");
    expect(await reason()).toBeNull();
    expect(await refusal(client, "update crm.deals set lost_reason = ' '")).toMatchObject({
      constraint: "deals_lost_reason_blank",
      fields: { lostReason: ["must not be blank"] },
    });
  }));

describe("a stage is itself under any name", () => {
  /** Four deals in Prospecting, three of which went on; then both stages are renamed, one twice. */
  async function rename(client: pg.Client): Promise<string> {
    await fill(client);
    await client.query(
      `insert into crm.deals (title, company_id, value, stage)
       select title, id, 1, 'Prospecting' from crm.companies, unnest('{b,c,d}'::text[]) as title;
       update crm.deals set stage = 'Proposal' where title <> 'd'`,
    );
    const { rows } = await client.query<{ at: string }>("select clock_timestamp()::text as at");
    await client.query(
      `update crm.pipeline_stages set name = 'Lead' where name = 'Prospecting';
       update crm.pipeline_stages set name = 'Offer' where name = 'Proposal';
       update crm.pipeline_stages set name = 'Quote' where name = 'Offer'`,
    );
    return rows[0]?.at ?? "";
  }

  test("in its history and its conversion", () =>
    withRollback(async (client) => {
      await rename(client);
      await client.query(
        `insert into crm.pipeline_stages (name) values ('Prospecting');
         insert into crm.deals (title, company_id, value, stage)
         select 'other', id, 1, 'Prospecting' from crm.companies`,
      );
      const { rows: conversion } = await client.query(
        `select stage, entered::int, advanced::int, present::int
         from reporting.stage_conversion where entered > 0 order by position`,
      );
      expect(conversion).toEqual([
        { stage: "Lead", entered: 4, advanced: 3, present: 1 },
        { stage: "Quote", entered: 3, advanced: 0, present: 3 },
        { stage: "Prospecting", entered: 1, advanced: 0, present: 1 },
      ]);
      const { rows: periods } = await client.query(
        "select stage, left_at is null as now from reporting.stage_periods where deal = 'b' order by entered_at",
      );
      expect(periods).toEqual([
        { stage: "Lead", now: false },
        { stage: "Quote", now: true },
      ]);
      await asRole(client, "crm_reader", "rob");
      const { rows: history } = await client.query(
        `select history.stage, stage.name
         from crm.stage_history as history
         join crm.deals as deal on deal.id = history.deal_id
         join crm.pipeline_stages as stage on stage.id = history.stage_id
         where deal.title = 'b' order by entry_id`,
      );
      expect(history).toEqual([
        { stage: "Lead", name: "Lead" },
        { stage: "Quote", name: "Quote" },
      ]);
    }));

  test("in its history, also if one statement gives its name to another stage", () =>
    withRollback(async (client) => {
      await fill(client);
      await client.query(
        `insert into crm.pipeline_stages (name, position) values ('A', 90), ('B', 91);
         insert into crm.deals (title, company_id, value, stage)
         select title, id, 1, title from crm.companies, unnest('{A,B}'::text[]) as title;
         update crm.pipeline_stages
         set name = case name when 'A' then 'C' else 'A' end
         where name in ('A', 'B')`,
      );
      const { rows } = await client.query(
        `select deal.title, history.stage, history.left_at
         from crm.stage_history as history join crm.deals as deal on deal.id = history.deal_id
         where deal.title in ('A', 'B') order by deal.title`,
      );
      expect(rows).toEqual([
        { title: "A", stage: "C", left_at: null },
        { title: "B", stage: "A", left_at: null },
      ]);
    }));

  test("where the past is told", () =>
    withRollback(async (client) => {
      const at = await rename(client);
      const { rows } = await client.query(
        "select (crm.deal_as_of(id, $1)).stage from crm.deals where title in ('b', 'd') order by title",
        [at],
      );
      expect(rows).toEqual([{ stage: "Quote" }, { stage: "Lead" }]);
      const { rows: pipeline } = await client.query(
        `select stage.name, was.stage, was.stage_then, was.count::int
         from crm.pipeline_as_of($1) as was join crm.pipeline_stages as stage on stage.id = was.stage_id
         where was.count > 0 order by was.position`,
        [at],
      );
      expect(pipeline).toEqual([
        { name: "Lead", stage: "Lead", stage_then: "Prospecting", count: 1 },
        { name: "Quote", stage: "Quote", stage_then: "Proposal", count: 3 },
      ]);
    }));
});

test("the pipeline of the past adds up no two currencies, but each, and all in the base currency", () =>
  withRollback(async (client) => {
    await fill(client);
    await client.query(
      `insert into crm.exchange_rates (currency, valid_from, rate) values ('EUR', '2020-01-01', 1.5);
       insert into crm.deals (title, company_id, value, stage, currency)
       select title, id, 10, stage, currency
       from crm.companies, (values
         ('b', 'Prospecting', 'EUR'), ('c', 'Proposal', 'EUR'), ('d', 'Won', 'EUR'), ('e', 'Won', 'GBP')
       ) as deal (title, stage, currency)`,
    );
    const { rows } = await client.query(
      `select stage, value, value_by_currency as by_currency, value_in_base_currency as in_base
       from crm.pipeline_as_of('infinity') where stage <> 'Negotiation' order by position`,
    );
    expect(rows).toEqual([
      { stage: "Prospecting", value: null, by_currency: { EUR: 10, USD: 100 }, in_base: "115.00" },
      { stage: "Qualification", value: "0.00", by_currency: {}, in_base: "0.00" },
      { stage: "Proposal", value: "10.00", by_currency: { EUR: 10 }, in_base: "15.00" },
      { stage: "Won", value: null, by_currency: { EUR: 10, GBP: 10 }, in_base: null },
      { stage: "Lost", value: "0.00", by_currency: {}, in_base: "0.00" },
    ]);
  }));

describe("a session of an administrator that imports", () => {
  const write = (client: pg.Client, entity: string, rows: object[], mode = "ALL_OR_NOTHING") =>
    client.query<{ faults: unknown; ids: (string | null)[] }>(
      "select faults, ids from crm_private.write_rows($1, 'create', $2, $3)",
      [entity, JSON.stringify(rows), mode],
    );

  const imported = { created_at: "2020-01-02T03:04:05Z", created_by: "sf:joe" };

  /** Makes the session an administrator's that imports, and gives the id of a company. */
  async function beginImport(client: pg.Client): Promise<string | undefined> {
    await fill(client);
    const { rows } = await client.query<{ id: string }>("select id from crm.companies");
    await client.query("set local crm.source = 'import'");
    await asRole(client, "crm_admin", "imp");
    return rows[0]?.id;
  }

  test("keeps who created a row and when, in bulk; the audit log tells who gave that, and when", () =>
    withRollback(async (client) => {
      const company_id = await beginImport(client);
      const carrier = { entity_type: "company", entity_id: company_id };
      const rows = {
        company: { name: "Old" },
        contact: { first_name: "A", last_name: "B" },
        deal: {
          title: "Old",
          company_id,
          value: 1,
          stage: "Won",
          closed_at: "2021-01-01T00:00:00Z",
        },
        task: { description: "call", ...carrier },
        note: { content: "note", ...carrier },
      };
      for (const [entity, row] of Object.entries(rows)) {
        const { rows: results } = await write(client, entity, [{ ...row, ...imported }]);
        const { rows: entries } = await client.query(
          `select user_id, source, "timestamp" = now() as now, changes
           from crm.audit_logs where entity_id = $1`,
          [results[0]?.ids[0]],
        );
        expect(entries).toEqual([
          {
            ...{ user_id: "imp", source: "import", now: true },
            changes: expect.objectContaining({
              created_at: "2020-01-02T03:04:05+00:00",
              created_by: "sf:joe",
              "@imported": [...("closed_at" in row ? ["closed_at"] : []), "created_at", "created_by"],
            }),
          },
        ]);
      }
      const { rows: deals } = await client.query(
        `select created_at = '2020-01-02T03:04:05Z' as created, created_by, updated_by, closed_at::text
         from crm.deals where title = 'Old'`,
      );
      expect(deals).toEqual([
        {
          ...{ created: true, created_by: "sf:joe", updated_by: "imp" },
          closed_at: "2021-01-01 00:00:00+00",
        },
      ]);
      const { rows: history } = await client.query(
        `select entered_at::text, entered_by from crm.stage_history
         where deal_id = (select id from crm.deals where title = 'Old')`,
      );
      expect(history).toEqual([{ entered_at: "2021-01-01 00:00:00+00", entered_by: "imp" }]);
      const { rows: report } = await client
        .query("reset role; select 1")
        .then(() =>
          client.query(
            "select month::text, average_cycle::int from reporting.win_rates where won > 0",
          ),
        );
      expect(report).toEqual([{ month: "2021-01-01", average_cycle: 365 }]);
    }));

  test("is told what cannot be, row by row", () =>
    withRollback(async (client) => {
      const company_id = await beginImport(client);
      const deal = { title: "x", company_id, value: 1, stage: "Won" };
      const { rows } = await write(
        client,
        "deal",
        [
          { ...deal, created_at: "2020-01-02", closed_at: "2020-01-01" },
          { ...deal, stage: "Proposal", closed_at: "2020-01-01", created_at: "2019-01-01" },
          { ...deal, created_at: "2126-01-01" },
          { ...deal, closed_at: "2126-01-01" },
          { ...deal, created_at: "yesterday-ish" },
          { ...deal, created_by: "" },
          { ...deal, created_by: "\u202ejoe" },
          { ...deal, version: 7 },
          deal,
        ],
        "VALID_ONLY",
      );
      expect(rows[0]?.faults).toEqual(
        [
          { closedAt: ["must not be before the deal was created"] },
          { closedAt: ["can be given in a won or lost stage only"] },
          { createdAt: ["must be in the past"] },
          { closedAt: ["must be in the past"] },
          { createdAt: ['"yesterday-ish" has the wrong form'] },
          { createdBy: ["must be from 1 to 255 characters"] },
          { createdBy: ["must not contain invisible characters"] },
          { version: ["is not a field that can be given here"] },
        ].map((fields, index) => ({ index, code: "VALIDATION_ERROR", fields })),
      );
    }));

  test("closes a deal that comes without closed_at on its day, or when it was created", () =>
    withRollback(async (client) => {
      const company_id = await beginImport(client);
      const deal = { company_id, value: 1, stage: "Won", ...imported };
      await write(client, "deal", [
        { ...deal, title: "on its day", close_date: "2020-05-06" },
        { ...deal, title: "day before", close_date: "2019-05-06" },
        { ...deal, title: "day to come", close_date: "9999-12-31" },
        { ...deal, title: "no day" },
        { ...deal, title: "open", stage: "Proposal", close_date: "2020-05-06" },
        { ...deal, title: "not imported", created_at: undefined, close_date: "2020-05-06" },
      ]);
      const { rows } = await client.query<{ title: string; closed: string | null }>(
        `select title, case when closed_at = now() then 'now' else closed_at::text end as closed
         from crm.deals where title in (
           'on its day', 'day before', 'day to come', 'no day', 'open', 'not imported'
         )`,
      );
      expect(Object.fromEntries(rows.map(({ title, closed }) => [title, closed]))).toEqual({
        "on its day": "2020-05-06 00:00:00+00",
        "day before": "2020-01-02 03:04:05+00",
        "day to come": "2020-01-02 03:04:05+00",
        "no day": "2020-01-02 03:04:05+00",
        open: null,
        "not imported": "now",
      });
    }));

  test.each([
    ["crm_member", "import"],
    ["crm_admin", "api"],
  ] as const)("is none of %s that says %s", (role, source) =>
    withRollback(async (client) => {
      await client.query("select set_config('crm.source', $1, true)", [source]);
      await asRole(client, role, "imp");
      const { rows } = await write(client, "company", [{ name: "Old", ...imported }], "VALID_ONLY");
      expect(rows[0]?.faults).toMatchObject([{ fields: { created_at: [expect.any(String)] } }]);
      await client.query("select set_config('crm.bulk_stamps', $1, true)", [
        JSON.stringify(imported),
      ]);
      await client.query("insert into crm.companies (name) values ('New')");
      const { rows: made } = await client.query(
        "select created_at = now() as now, created_by from crm.companies",
      );
      expect(made).toEqual([{ now: true, created_by: "imp" }]);
    }),
  );

  test("keeps them through an undo and a restore", () =>
    withRollback(async (client) => {
      await client.query("set local crm.source = 'import'");
      await asRole(client, "crm_admin", "imp");
      const { rows } = await write(client, "company", [{ name: "Old", ...imported }]);
      await client.query("delete from crm.companies");
      await client.query("select crm.restore_deleted('company', $1)", [rows[0]?.ids[0]]);
      const { rows: back } = await client.query(
        "select created_at = '2020-01-02T03:04:05Z' as kept, created_by from crm.companies",
      );
      expect(back).toEqual([{ kept: true, created_by: "sf:joe" }]);
    }));
});
