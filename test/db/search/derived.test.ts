import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withRollback } from "../../helpers/database.ts";

const ada = "00000000-0000-4000-8000-00000000000a";

const right = `crm_private.contact_document(first_name, last_name, emails, phones, custom_fields)
  = search_document
  and crm_private.contact_keys(first_name, last_name, emails, phones) = match_keys`;

const insert = `insert into crm.contacts (id, first_name, last_name, search_document, match_keys)
  values ('${ada}', 'Ada', 'Byron', 'wrong', '{wrong}')`;

/** Returns whether the columns of the contact are those that follow from the others, and its version. */
async function state(client: pg.Client) {
  const { rows } = await client.query<{ right: boolean; version: number; last_name: string }>(
    `select ${right} as right, version, last_name from crm.contacts where id = '${ada}'`,
  );
  return rows[0];
}

describe.each(["origin", "replica"])("search_document and match_keys, in the role %s", (role) => {
  const withContact = (work: (client: pg.Client) => Promise<void>) =>
    withRollback(async (client) => {
      await client.query(`set local session_replication_role = ${role}`);
      await client.query(insert);
      await work(client);
    });

  test("follow from a new row, whatever its writer gives", () =>
    withContact(async (client) => {
      expect(await state(client)).toEqual({ right: true, version: 1, last_name: "Byron" });
    }));

  test("follow a change of the columns that they are derived from", () =>
    withContact(async (client) => {
      await client.query(`update crm.contacts set last_name = 'Lovelace' where id = '${ada}'`);
      expect(await state(client)).toMatchObject({ right: true, last_name: "Lovelace" });
    }));

  test.each(["search_document = 'wrong'", "match_keys = '{wrong}'", "search_document = null"])(
    "follow again if an update sets %s",
    (assignment) =>
      withContact(async (client) => {
        await client.query(`update crm.contacts set ${assignment} where id = '${ada}'`);
        expect(await state(client)).toEqual({ right: true, version: 1, last_name: "Byron" });
      }),
  );

  test("follow from an upsert", () =>
    withContact(async (client) => {
      await client.query(
        `${insert} on conflict (id) do update set last_name = 'King', match_keys = '{wrong}'`,
      );
      expect(await state(client)).toMatchObject({ right: true, last_name: "King" });
    }));
});

test("another update does not derive them", () =>
  withRollback(async (client) => {
    await client.query(insert);
    await client.query("set local track_functions = 'all'");
    const derivations = async () => {
      const { rows } = await client.query<{ calls: number }>(
        `select calls::integer as calls
         from pg_stat_xact_user_functions
         where funcname = 'derive_contact'`,
      );
      return rows[0]?.calls ?? 0;
    };
    const before = await derivations();
    await client.query(`update crm.contacts set owner_id = 'ann' where id = '${ada}'`);
    expect(await derivations()).toBe(before);
    await client.query(`update crm.contacts set phones = '{1}' where id = '${ada}'`);
    expect(await derivations()).toBe(before + 1);
  }));

test.each(["8e77f", "1e1b2", "29870e526baa3cc0"])(
  "a word that begins like a number with an exponent is one word: %s",
  (word) =>
    withRollback(async (client) => {
      const { rows } = await client.query<{ words: string[] }>(
        `insert into crm.companies (name) values ($1)
         returning array(
           select lexeme from unnest(search_document) where lexeme ~ '^[a-z0-9]'
         ) as words`,
        [word],
      );
      expect(rows).toEqual([{ words: [word] }]);
    }),
);
