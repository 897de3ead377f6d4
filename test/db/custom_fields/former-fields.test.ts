import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal, type Refusal } from "../../helpers/refusal.ts";

async function define(client: pg.Client, name: string, type = "text", more = {}) {
  const row = { name, label: name, entity_type: "company", field_type: type, ...more };
  await client.query(
    `insert into crm.custom_field_definitions (${Object.keys(row).join(", ")})
     values (${Object.keys(row)
       .map((_, i) => `$${i + 1}`)
       .join()})`,
    Object.values(row),
  );
}

async function rename(client: pg.Client, name: string, to: string) {
  await client.query("update crm.custom_field_definitions set name = $2 where name = $1", [
    name,
    to,
  ]);
}

async function remove(client: pg.Client, name: string) {
  await client.query("delete from crm.custom_field_definitions where name = $1", [name]);
}

async function insert(client: pg.Client, fields: unknown): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    "insert into crm.companies (name, custom_fields) values ('Acme', $1) returning id",
    [JSON.stringify(fields)],
  );
  return String(rows[0]?.id);
}

async function update(client: pg.Client, id: string, fields: unknown): Promise<unknown> {
  await client.query("update crm.companies set custom_fields = $2 where id = $1", [
    id,
    JSON.stringify(fields),
  ]);
  return fieldsOf(client, id);
}

async function fieldsOf(client: pg.Client, id: string): Promise<unknown> {
  const { rows } = await client.query<{ custom_fields: unknown }>(
    "select custom_fields from crm.companies where id = $1",
    [id],
  );
  return rows[0]?.custom_fields;
}

/** How such an insert is refused. */
async function refusedInsert(client: pg.Client, fields: unknown): Promise<Refusal> {
  return refusal(client, "insert into crm.companies (name, custom_fields) values ('Acme', $1)", [
    JSON.stringify(fields),
  ]);
}

/** How such an update is refused. */
async function refusedUpdate(client: pg.Client, id: string, fields: unknown): Promise<Refusal> {
  return refusal(client, "update crm.companies set custom_fields = $2 where id = $1", [
    id,
    JSON.stringify(fields),
  ]);
}

async function value(client: pg.Client, name: string): Promise<unknown> {
  const { rows } = await client.query<{ value: unknown }>(
    `select crm_custom.companies_${name}(company) as value from crm.companies as company`,
  );
  return rows[0]?.value;
}

/** The functions of companies: what each returns, and what its comment says of it to the API. */
async function functions(client: pg.Client): Promise<Record<string, [string, string | undefined]>> {
  const { rows } = await client.query<{ name: string; type: string; comment: string }>(
    `select proname as name, prorettype::regtype::text as type,
       obj_description(oid, 'pg_proc') as comment
     from pg_proc where pronamespace = 'crm_custom'::regnamespace order by proname`,
  );
  return Object.fromEntries(
    rows.map(({ name, type, comment }) => [
      name.replace("companies_", ""),
      [type, /^@deprecated (\D*)/m.exec(comment)?.[1]],
    ]),
  );
}

/** Lets the names that ended pass some days. */
async function pass(client: pg.Client, days: number) {
  await client.query(
    "update crm_private.former_custom_fields set ended_at = ended_at - make_interval(days => $1)",
    [days],
  );
}

async function expire(client: pg.Client): Promise<unknown> {
  const { rows } = await client.query<{ count: number }>(
    "select crm_private.expire_former_fields() as count",
  );
  return rows[0]?.count;
}

const isUnknown = "is not a custom field of this entity type";

describe("a renamed custom field", () => {
  test("is read by its former name, in its present type, by any session", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await insert(client, { size: 3 });
      await rename(client, "size", "head_count");
      expect(await functions(client)).toEqual({
        head_count: ["numeric", undefined],
        size: ["numeric", "Renamed to headCount on "],
      });
      await asRole(client, "crm_reader", "rita");
      expect([await value(client, "size"), await value(client, "head_count")]).toEqual(["3", "3"]);
    }));

  test("says in the comment when its former name goes", () =>
    withRollback(async (client) => {
      await client.query("select crm.set_time_zone('Asia/Tokyo')");
      await define(client, "size");
      await rename(client, "size", "extent");
      await client.query(
        "update crm_private.former_custom_fields set ended_at = '2100-12-31T20:00Z'",
      );
      await client.query("select crm.set_former_field_retention(31)");
      const { rows } = await client.query<{ comment: string }>(
        `select obj_description(to_regprocedure('crm_custom.companies_size(crm.companies)')) as comment`,
      );
      expect(rows[0]?.comment).toContain(
        "\n@deprecated Renamed to extent on 2101-01-01. It will be removed on 2101-02-01.\n",
      );
    }));

  test("is written by its former name", () =>
    withRollback(async (client) => {
      await define(client, "size", "number", { required: true });
      await define(client, "note");
      await rename(client, "size", "extent");
      await asRole(client, "crm_member", "mia");
      const id = await insert(client, { size: 1, note: "a" });
      expect(await fieldsOf(client, id)).toEqual({ extent: 1, note: "a" });
      expect(await fieldsOf(client, await insert(client, { $merge: { size: 2 } }))).toEqual({
        extent: 2,
      });
      expect(await update(client, id, { $merge: { size: 3 } })).toEqual({ extent: 3, note: "a" });
      expect(await update(client, id, { size: 4 })).toEqual({ extent: 4 });
      expect(await refusedUpdate(client, id, { $merge: { size: null } })).toMatchObject({
        fields: { "customFields.extent": ["is required"] },
      });
      expect(await refusedUpdate(client, id, { size: "x" })).toMatchObject({
        constraint: "companies_custom_fields_type",
        fields: { "customFields.extent": [expect.stringContaining("must be a number")] },
      });
    }));

  test("is removed by null under its former name", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      const id = await insert(client, { extent: 1 });
      expect(await update(client, id, { $merge: { size: null } })).toEqual({});
    }));

  test("gets no default if it is given by its former name", () =>
    withRollback(async (client) => {
      await define(client, "size", "number", { default_value: "7" });
      await rename(client, "size", "extent");
      expect(await fieldsOf(client, await insert(client, { size: 1 }))).toEqual({ extent: 1 });
      expect(await fieldsOf(client, await insert(client, { size: null }))).toEqual({});
      expect(await fieldsOf(client, await insert(client, {}))).toEqual({ extent: 7 });
    }));

  test("is refused if both names are given, with all other faults", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      const twice = "is the former name of extent, which is given as well";
      for (const given of [
        { size: 1, extent: 1 },
        { size: null, extent: 1 },
        { size: 1, extent: null },
        { $merge: { size: 1, extent: 2 } },
      ]) {
        expect(await refusedInsert(client, given)).toMatchObject({
          code: "23514",
          constraint: "companies_custom_fields_known",
          fields: { "customFields.size": [twice] },
        });
      }
      expect(await refusedInsert(client, { size: 1, extent: "x", y: 1 })).toMatchObject({
        fields: {
          "customFields.extent": [expect.stringContaining("must be a number")],
          "customFields.size": [twice],
          "customFields.y": [isUnknown],
        },
      });
      const id = await insert(client, { extent: 1 });
      const more = { $merge: { size: 2, extent: 1 } };
      expect((await refusedUpdate(client, id, more)).fields).toEqual({
        "customFields.size": [twice],
      });
      await rename(client, "extent", "length");
      expect((await refusedUpdate(client, id, { size: 2, extent: 2 })).fields).toEqual({
        "customFields.size": ["is the former name of length, which is given as well"],
      });
    }));

  test("may be carried along by an update that writes its former name", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      const id = await insert(client, { extent: 1 });
      await client.query(`update crm.companies set custom_fields = custom_fields || '{"size": 2}'`);
      expect(await fieldsOf(client, id)).toEqual({ extent: 2 });
      expect(await refusedUpdate(client, id, { extent: 3, size: 4 })).toMatchObject({
        constraint: "companies_custom_fields_known",
      });
    }));

  test("can be chosen in a merge by its former name", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      const winner = await insert(client, {});
      const loser = await insert(client, { extent: 1 });
      await client.query("select crm.merge_companies($1, $2, $3)", [
        winner,
        [loser],
        { customFields: { size: 2 } },
      ]);
      expect(await fieldsOf(client, winner)).toEqual({ extent: 2 });
    }));

  test("keeps every former name", () =>
    withRollback(async (client) => {
      await define(client, "a", "number");
      await insert(client, { a: 1 });
      await rename(client, "a", "b");
      await rename(client, "b", "c");
      expect(await functions(client)).toEqual({
        a: ["numeric", "Renamed to c on "],
        b: ["numeric", "Renamed to c on "],
        c: ["numeric", undefined],
      });
      await client.query("update crm.custom_field_definitions set field_type = 'text' where false");
      const id = await insert(client, { a: 5 });
      expect(await fieldsOf(client, id)).toEqual({ c: 5 });
      await remove(client, "c");
      expect(await functions(client)).toEqual({
        a: ["numeric", "Deleted on "],
        b: ["numeric", "Deleted on "],
        c: ["numeric", "Deleted on "],
      });
    }));

  test("has its present type under its former name", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      await client.query("update crm.custom_field_definitions set field_type = 'text'");
      expect((await functions(client)).size).toEqual(["text", "Renamed to extent on "]);
      expect(await fieldsOf(client, await insert(client, { size: "x" }))).toEqual({ extent: "x" });
    }));

  test("can leave its name to another one", () =>
    withRollback(async (client) => {
      await define(client, "a");
      await define(client, "b");
      const id = await insert(client, { a: "1", b: "2" });
      await rename(client, "a", "c");
      await rename(client, "b", "a");
      expect(await fieldsOf(client, id)).toEqual({ a: "2", c: "1" });
      expect(await functions(client)).toEqual({
        a: ["text", undefined],
        b: ["text", "Renamed to a on "],
        c: ["text", undefined],
      });
      expect(await update(client, id, { b: "3" })).toEqual({ a: "3" });
    }));

  test("changes nothing in the API if only its key changes", () =>
    withRollback(async (client) => {
      await define(client, "close_reason");
      await rename(client, "close_reason", "closeReason");
      expect(await functions(client)).toEqual({ closeReason: ["text", undefined] });
      const id = await insert(client, { close_reason: "x" });
      expect(await fieldsOf(client, id)).toEqual({ closeReason: "x" });
    }));

  test("is not renamed while another object uses its function", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await client.query(
        "create view public.sizes as select crm_custom.companies_size(company) from crm.companies as company",
      );
      expect(await refusal(client, "update crm.custom_field_definitions set name = 'extent'")).toMatchObject({
        constraint: "custom_field_definitions_function_used",
        fields: {
          name: ["defines crm_custom.companies_size(crm.companies), which another object uses"],
        },
      });
    }));
});

describe("a deleted custom field", () => {
  test("is null where it is read, and does not accept a value", () =>
    withRollback(async (client) => {
      await define(client, "size", "multi_enum", { enum_values: ["a", "b"] });
      await insert(client, { size: ["a"] });
      await remove(client, "size");
      expect(await functions(client)).toEqual({ size: ["text[]", "Deleted on "] });
      await asRole(client, "crm_member", "mia");
      expect(await value(client, "size")).toBeNull();
      const id = await insert(client, { size: null });
      expect(await update(client, id, { $merge: { size: null } })).toEqual({});
      expect(await refusedUpdate(client, id, { $merge: { size: ["a"] } })).toMatchObject({
        code: "23514",
        constraint: "companies_custom_fields_known",
        fields: { "customFields.size": [expect.stringMatching(/^was deleted on \d{4}-\d\d-\d\d$/)] },
      });
    }));

  test("is back, with its former names, when the deletion is undone", () =>
    withRollback(async (client) => {
      await define(client, "a", "number");
      await rename(client, "a", "b");
      const id = await insert(client, { b: 1 });
      await remove(client, "b");
      await client.query(
        `select crm.undo_entry(id) from crm.audit_logs
         where entity_type = 'custom_field_definition' and action = 'delete'`,
      );
      expect(await functions(client)).toEqual({
        a: ["numeric", "Renamed to b on "],
        b: ["numeric", undefined],
      });
      expect(await update(client, id, { $merge: { a: 3 } })).toEqual({ b: 3 });
    }));
});

describe("a former name", () => {
  test("ends at once when another field takes it", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      await define(client, "size", "date");
      expect(await functions(client)).toEqual({
        extent: ["numeric", undefined],
        size: ["date", undefined],
      });
      const id = await insert(client, { size: "2026-01-31", extent: 2 });
      expect(await fieldsOf(client, id)).toEqual({ size: "2026-01-31", extent: 2 });
      await remove(client, "size");
      expect((await functions(client)).size).toEqual(["date", "Deleted on "]);
    }));

  test("ends in the API when another field has its name there", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      await define(client, "Size");
      expect(Object.keys(await functions(client))).toEqual(["Size", "extent"]);
      const id = await insert(client, { size: 1, Size: "x" });
      expect(await fieldsOf(client, id)).toEqual({ extent: 1, Size: "x" });
    }));

  test("belongs to the field that had it last", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      await define(client, "size", "date");
      await rename(client, "size", "since");
      expect((await functions(client)).size).toEqual(["date", "Renamed to since on "]);
      expect(await fieldsOf(client, await insert(client, { size: "2026-01-31" }))).toEqual({
        since: "2026-01-31",
      });
    }));

  test("goes when a rename is undone", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      await client.query(
        `select crm.undo_entry(id) from crm.audit_logs
         where entity_type = 'custom_field_definition' and action = 'update'`,
      );
      expect(await functions(client)).toEqual({
        extent: ["numeric", "Renamed to size on "],
        size: ["numeric", undefined],
      });
    }));

  test("expires after the days that the setting says", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await define(client, "colour");
      const id = await insert(client, {});
      await rename(client, "size", "extent");
      await remove(client, "colour");
      await pass(client, 29);
      expect(await expire(client)).toBe(0);
      expect(await update(client, id, { size: 1 })).toEqual({ extent: 1 });

      await pass(client, 1);
      for (const given of [{ size: 1 }, { colour: "x" }]) {
        const [name] = Object.keys(given);
        expect(await refusedUpdate(client, id, given)).toMatchObject({
          fields: { [`customFields.${name}`]: [isUnknown] },
        });
      }
      await client.query("set local role crm_server");
      expect(await expire(client)).toBe(2);
      expect(await expire(client)).toBe(0);
      expect(await functions(client)).toEqual({ extent: ["numeric", undefined] });
    }));

  test("is not kept at all with the setting 0", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await define(client, "colour");
      await rename(client, "size", "extent");
      await client.query("select crm.set_former_field_retention(0)");
      expect(await functions(client)).toEqual({
        colour: ["text", undefined],
        extent: ["numeric", undefined],
      });
      await rename(client, "extent", "length");
      await remove(client, "colour");
      expect(await functions(client)).toEqual({ length: ["numeric", undefined] });
      expect(await refusedInsert(client, { extent: 1 })).toMatchObject({
        fields: { "customFields.extent": [isUnknown] },
      });
      await client.query("select crm.set_former_field_retention(30)");
      expect(await functions(client)).toEqual({ length: ["numeric", undefined] });
    }));

  test("gives way to later ones, where there are too many", () =>
    withRollback(async (client) => {
      await client.query("set local crm.max_custom_fields = 500"); // without effect in a session
      await define(client, "f0");
      for (let i = 0; i < 201; i += 1) {
        await client.query(
          `insert into crm_private.former_custom_fields
             (entity_type, name, field_name, definition_id, field_type, ended_at)
           select entity_type, $1, $1, id, 'text', now() - make_interval(secs => $2)
           from crm.custom_field_definitions`,
          [`g${i}`, i + 1],
        );
      }
      await rename(client, "f0", "f1");
      const names = Object.keys(await functions(client));
      expect(names).toHaveLength(201);
      expect(names).toEqual(expect.arrayContaining(["f0", "f1", "g0", "g198"]));
    }));

  test("goes with the entity type", () =>
    withRollback(async (client) => {
      await define(client, "size", "number");
      await rename(client, "size", "extent");
      await client.query("select crm_private.unregister_entity('company')");
      expect(await functions(client)).toEqual({});
    }));
});

describe("the setting", () => {
  test("is for administrators, is recorded, and refuses what is out of range", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ada");
      expect(await refusal(client, "select crm.set_former_field_retention(null)")).toMatchObject({
        fields: { days: ["is required"] },
      });
      for (const days of [-1, 36501]) {
        expect(
          await refusal(client, `select crm.set_former_field_retention(${days})`),
        ).toMatchObject({
          code: "23514",
          constraint: "settings_former_field_retention_days_range",
          fields: { days: ["must be from 0 to 36500"] },
        });
      }
      await client.query("select crm.set_former_field_retention(7)");
      await client.query("select crm.set_former_field_retention(7)");
      const { rows } = await client.query(
        `select user_id, changes, crm.former_field_retention_days() as days
         from crm.audit_logs where entity_type = 'setting'`,
      );
      expect(rows).toEqual([
        { user_id: "ada", changes: { former_field_retention_days: { old: 30, new: 7 } }, days: 7 },
      ]);
      await asRole(client, "crm_member", "mia");
      expect(await refusal(client, "select crm.set_former_field_retention(1)")).toMatchObject({
        code: "42501",
      });
    }));
});
