import { expect, test } from "@jest/globals";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

/** A day that begins hours before, or ends hours after, that of UTC: one of them is another day now. */
const zones = ["Pacific/Kiritimati", "Pacific/Pago_Pago"];

test("today is a day of the zone of the installation, or of the session", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_admin", "eve");
    for (const zone of zones) {
      await client.query("select crm.set_time_zone($1)", [zone]);
      const { rows } = await client.query(
        `select crm.time_zone() as zone, crm.today() = (now() at time zone $1)::date as today`,
        [zone],
      );
      expect(rows).toEqual([{ zone, today: true }]);
    }
    await client.query("set local crm.time_zone = 'Asia/Tokyo'");
    const { rows } = await client.query("select crm.time_zone() as zone");
    expect(rows).toEqual([{ zone: "Asia/Tokyo" }]);
  }));

test("administrators set it, by IANA names, and the audit log tells", () =>
  withRollback(async (client) => {
    await asRole(client, "crm_member", "ann");
    expect(await refusal(client, "select crm.set_time_zone('UTC')")).toMatchObject({
      code: "42501",
    });
    await asRole(client, "crm_admin", "eve");
    for (const zone of ["CEST", "EST5EDT4", "posix/UTC", "europe/berlin", "", "Foo/Bar5"]) {
      expect(await refusal(client, "select crm.set_time_zone($1)", [zone])).toMatchObject({
        code: "23514",
        constraint: "settings_time_zone_known",
        fields: { timeZone: [expect.any(String)] },
      });
    }
    await client.query("select crm.set_time_zone('Europe/Berlin')");
    const { rows } = await client.query(
      "select user_id, changes from crm.audit_logs where entity_type = 'setting'",
    );
    expect(rows).toEqual([
      { user_id: "eve", changes: { time_zone: { old: "UTC", new: "Europe/Berlin" } } },
    ]);
  }));

test("reports group and compare by days of that zone", () =>
  withRollback(async (client) => {
    await client.query("set local crm.source = 'import'");
    await client.query(
      `insert into crm.companies (name) values ('Acme');
       insert into crm.contacts (first_name, last_name, created_at)
       values ('A', 'B', '2026-02-01T23:30Z');
       insert into crm.deals (title, company_id, value, stage, created_at, closed_at)
       select 'Engine', id, 1, 'Won', '2026-01-31T22:00Z', '2026-01-31T23:30Z' from crm.companies;
       insert into crm.deals (title, company_id, value, stage, close_date)
       select 'Open', id, 1, 'Proposal', (now() at time zone 'UTC')::date from crm.companies;
       insert into crm.tasks (description, due_date, entity_type, entity_id)
       select 'call', (now() at time zone 'UTC')::date, 'company', id from crm.companies;
       update crm.audit_logs set "timestamp" = '2026-01-31T23:30Z' where entity_type = 'task'`,
    );
    const told = async (zone: string) => {
      await client.query("select set_config('crm.time_zone', $1, true)", [zone]);
      await asRole(client, "crm_reporter", "rita");
      const { rows } = await client.query(
        `select
           (select min(month)::text from reporting.win_rates) as won,
           (select month::text from reporting.win_rates_in_base) as won_in_base,
           (select closed_on::text from reporting.closed_deals) as closed,
           (select week::text from reporting.new_contacts) as week,
           (select day::text from reporting.activity where entity_type = 'task') as day,
           (select overdue::int from reporting.open_tasks) as overdue,
           (select count(*)::int from reporting.data_quality where problem like '%past%') as late`,
      );
      await client.query("reset role");
      return rows[0] as unknown;
    };
    // Where it is later than in UTC, today's day of UTC may be over.
    const { rows } = await client.query<{ over: number }>(
      `select ((now() at time zone 'Pacific/Kiritimati')::date > (now() at time zone 'UTC')::date)::int as over`,
    );
    const over = rows[0]?.over ?? 0;
    const months = (month: string) => ({ won: month, won_in_base: month });
    expect(await told("UTC")).toEqual({
      ...months("2026-01-01"),
      ...{ closed: "2026-01-31", week: "2026-01-26", day: "2026-01-31", overdue: 0, late: 0 },
    });
    expect(await told("Pacific/Kiritimati")).toEqual({
      ...months("2026-02-01"),
      ...{ closed: "2026-02-01", week: "2026-02-02", day: "2026-02-01" },
      ...{ overdue: over, late: 2 * over },
    });
  }));
