import { expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

async function define(client: pg.Client, name: string, type = "text", label = name) {
  await client.query(
    `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
     values ($1, $2, 'company', $3)`,
    [name, label, type],
  );
}

/** The functions of companies, by name, with what they return. */
async function functions(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `select proname as name, prorettype::regtype::text as type from pg_proc
     where pronamespace = 'crm_custom'::regnamespace order by proname`,
  );
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
}

/** The names under which the API serves custom fields, by definition. */
async function served(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; field: string }>(
    `select name, crm.custom_field_definitions_field_name(definition) as field
     from crm.custom_field_definitions as definition`,
  );
  return Object.fromEntries(rows.map(({ name, field }) => [name, field]));
}

test("a definition makes a function of its type, and takes it away", () =>
  withRollback(async (client) => {
    await client.query("select crm.set_former_field_retention(0)");
    await define(client, "size", "number");
    await define(client, "since", "date");
    await define(client, "hot", "boolean");
    await define(client, "sector");
    expect(await functions(client)).toEqual({
      companies_size: "numeric",
      companies_since: "date",
      companies_hot: "boolean",
      companies_sector: "text",
    });
    await client.query(
      "update crm.custom_field_definitions set field_type = 'text' where name = 'size'",
    );
    await client.query("delete from crm.custom_field_definitions where name <> 'size'");
    expect(await functions(client)).toEqual({ companies_size: "text" });
  }));

test("it is the value of the row, whatever the session's settings are, null where there is none", () =>
  withRollback(async (client) => {
    await define(client, "size", "number");
    await define(client, "since", "date");
    await define(client, "hot", "boolean");
    await client.query(
      `insert into crm.companies (name, custom_fields) values
         ('a', '{"size": 12345678901234567890.1, "since": "0044-03-15", "hot": false}'), ('b', '{}')`,
    );
    await client.query("set local datestyle = 'SQL, DMY'");
    await asRole(client, "crm_reader", "rita");
    const { rows } = await client.query(
      `select crm_custom.companies_size(company)::text as size,
         to_char(crm_custom.companies_since(company), 'YYYY-MM-DD') as since,
         crm_custom.companies_hot(company) as hot
       from crm.companies as company order by name`,
    );
    expect(rows).toEqual([
      { size: "12345678901234567890.1", since: "0044-03-15", hot: false },
      { size: null, since: null, hot: null },
    ]);
  }));

test("the planner puts the expression in place of the call", () =>
  withRollback(async (client) => {
    await define(client, "size", "number");
    const { rows } = await client.query<{ "QUERY PLAN": string }>(
      `explain (verbose, costs off)
       select crm_custom.companies_size(company) from crm.companies as company`,
    );
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(plan).toContain("(custom_fields -> 'size'::text)");
    expect(plan).not.toContain("crm_custom");
  }));

test("it does not go while something uses it", () =>
  withRollback(async (client) => {
    await define(client, "size", "number");
    await client.query(
      "create view public.sizes as select crm_custom.companies_size(company) from crm.companies as company",
    );
    expect(await refusal(client, "delete from crm.custom_field_definitions")).toMatchObject({
      code: "23514",
      constraint: "custom_field_definitions_function_used",
      fields: { name: ["defines crm_custom.companies_size(crm.companies), which another object uses"] },
    });
    await define(client, "sector");
    expect(Object.keys(await functions(client))).toContain("companies_sector");
  }));

test("names are written as the API writes them, and each is there once", () =>
  withRollback(async (client) => {
    const names = [
      ...["close_reason", "Product", "URL", "a__b_", "q_1", "name", "deals_count", "and"],
      ...["on_truncated_to_month", "Custom_Fields", "constructor"],
    ];
    for (const name of names) await define(client, name);
    await define(client, "closeReason");
    const fields = await served(client);
    expect(fields).toEqual({
      close_reason: expect.stringMatching(/^closeReason_[0-9a-f]{8}$/), // as old as the other
      Product: "product",
      URL: "URL",
      a__b_: "aB",
      q_1: "q1",
      name: "customName",
      deals_count: "customDealsCount",
      and: "customAnd",
      on_truncated_to_month: "customOnTruncatedToMonth",
      Custom_Fields: "customCustomFields",
      constructor: "customConstructor",
      closeReason: "closeReason",
    });
  }));

test("long names are told apart", () =>
  withRollback(async (client) => {
    const long = "x".repeat(99);
    await define(client, `${long}a`);
    await define(client, `${long}b`);
    const names = Object.keys(await functions(client));
    expect(names).toHaveLength(2);
    expect(names.every((name) => name.length <= 63)).toBe(true);
  }));

test("a label is a text, whatever it looks like", () =>
  withRollback(async (client) => {
    await define(client, "size", "number", "@omit @fieldName name'); drop table crm.deals; --");
    const { rows } = await client.query<{ comment: string }>(
      `select obj_description('crm_custom.companies_size(crm.companies)'::regprocedure) as comment`,
    );
    expect(rows[0]?.comment.split("\n").slice(0, 4)).toEqual([
      "@name custom_companies_size",
      "@fieldName size",
      "@customField size",
      expect.stringContaining(`"@omit @fieldName name'); drop table crm.deals; --".`),
    ]);
  }));

test("nobody makes functions there, and only who reads rows calls them", () =>
  withRollback(async (client) => {
    await define(client, "size", "number");
    await asRole(client, "crm_admin", "ann");
    expect(
      await refusal(client, "create function crm_custom.f() returns int language sql return 1"),
    ).toMatchObject({ code: "42501" });
    await client.query("reset role");
    const { rows } = await client.query(
      `select grantee::regrole::text from pg_proc, aclexplode(proacl)
       where pronamespace = 'crm_custom'::regnamespace and grantee <> proowner`,
    );
    expect(rows).toEqual([{ grantee: "crm_reader" }]);
  }));
