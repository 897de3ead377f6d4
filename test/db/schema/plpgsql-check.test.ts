import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { expect, jest, test } from "@jest/globals";

import { withThrowawayDatabase } from "../../../scripts/throwaway.ts";
import { withConnection } from "../../../server/postgres/connect.ts";

jest.setTimeout(60_000);

/** Debian keeps each release of PostgreSQL, with its extensions, in a folder of its own. */
const releases = "/usr/lib/postgresql";

/** The newest PostgreSQL of this machine that plpgsql_check is installed for. */
function findPostgres(): string | undefined {
  if (!existsSync(releases)) return undefined;
  return readdirSync(releases)
    .sort((a, b) => Number(b) - Number(a))
    .map((release) => join(releases, release))
    .find((folder) => existsSync(join(folder, "lib", "plpgsql_check.so")));
}

const binaries = findPostgres();
const without = "there is no plpgsql_check here: apt-get install postgresql-15-plpgsql-check";

/**
 * Every plpgsql function. A trigger function stands there once for each table it is bound to, and
 * may name what any of its triggers there gives it.
 */
const functions = `
  select
    proc.oid::regprocedure as function,
    coalesce(tgrelid, 0)::regclass as relation,
    max(tgoldtable) as old_rows,
    max(tgnewtable) as new_rows
  from pg_proc as proc
  left join pg_trigger on tgfoid = proc.oid and tgparentid = 0
  where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
    and prolang = (select oid from pg_language where lanname = 'plpgsql')
  group by proc.oid, tgrelid`;

(binaries === undefined ? test.skip : test)(
  `plpgsql_check has nothing to say of any function${binaries === undefined ? ` (${without})` : ""}`,
  () =>
    withThrowawayDatabase(
      ({ ownerUrl }) =>
        withConnection(ownerUrl, async (client) => {
          await client.query("create extension plpgsql_check");
          const { rows } = await client.query(
            `select function, relation, lineno, level, message, finding.detail, hint
             from (${functions}) as checked
             cross join plpgsql_check_function_tb(
               function, relation, fatal_errors => false, all_warnings => true,
               oldtable => old_rows, newtable => new_rows
             ) as finding`,
          );
          expect(rows).toEqual([]);
        }),
      binaries,
    ),
);
