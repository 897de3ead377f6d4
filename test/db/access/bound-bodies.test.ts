import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => database.drop());

/** Functions that a session may call, with a bound body and so without a search_path. */
const calls = [
  "crm.current_user_id()",
  "crm_private.caller_is_authenticated()",
  "crm_private.is_importing()",
];

/** What a function with a bound body may use, under the names of a session. */
const misleading = `
  create temporary table pg_settings (name text);
  create schema misleading;
  create function misleading.current_setting(text, boolean) returns text language sql return 'misled';
  create function misleading.pg_has_role(name, text, text) returns boolean language sql return true;
  create function misleading.unlike(text, text) returns boolean language sql return null::boolean;
  create operator misleading.<> (leftarg = text, rightarg = text, function = misleading.unlike);
  create operator misleading.= (leftarg = text, rightarg = text, function = misleading.unlike);
  grant usage on schema misleading to public;
  grant execute on all functions in schema misleading to public`;

test("functions with a bound body do what they do, whatever the search_path of a session", async () => {
  await withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select pronamespace::regnamespace || '.' || proname || '()' as name from pg_proc
       where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
         and prosqlbody is not null
         and pronargs = 0 and has_function_privilege('crm_member', oid, 'execute')
       order by 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(calls));
    const ask = async () => {
      const answers = rows.map(({ name }) => `${name}::text`);
      const { rows: found } = await client.query<object>(`select ${answers.join(", ")}`);
      return found;
    };
    await client.query("begin; set local role crm_member");
    await client.query("select set_config('crm.user_id', 'ann', true)");
    const usual = await ask();
    await client.query("commit");
    await client.query(`${misleading}; set search_path = misleading, pg_temp, pg_catalog, crm`);
    await client.query("begin; set local role crm_member");
    await client.query("select set_config('crm.user_id', 'ann', true)");
    expect((await client.query("select current_setting('a', true) as it")).rows).toEqual([
      { it: "misled" },
    ]);
    expect(await ask()).toEqual(usual);
    await client.query("rollback");
  });
});
