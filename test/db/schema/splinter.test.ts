import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { expect, jest, test } from "@jest/globals";
import type pg from "pg";

import { withThrowawayDatabase } from "../../../scripts/throwaway.ts";
import { withConnection } from "../../../server/postgres/connect.ts";

jest.setTimeout(120_000);

const execute = promisify(execFile);
const linter = process.env.PGCRM_SPLINTER;
const lints = linter === undefined ? test.skip : test;
const without = linter === undefined ? " (npm run test:splinter does)" : "";

interface Finding {
  severity: string;
  message: string;
  category: string;
}

/**
 * What splinter, the linter of Supabase, finds: errors and warnings. It knows two roles, that of
 * whoever has not logged in and that of whoever has, by their names.
 */
async function findings(url: string): Promise<string[]> {
  const excepted = await withConnection(url, namesWithoutPath);
  const all = await allFindings(url);
  return all.filter((text) => !excepted.some((name) => text.split(/[`\\]/).includes(name)));
}

/**
 * The register of functions that splinter warns of without reason. Those with a bound body have no
 * search_path because their names were resolved when they were created; that nothing changes them is tested
 * in `test/db/access/bound-bodies.test.ts`. An aggregate cannot have one; its transition has.
 */
async function namesWithoutPath(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select pronamespace::regnamespace || '.' || proname as name
     from pg_proc
     where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
       and not prosecdef and proname <> 'careless' and (prosqlbody is not null or prokind = 'a')`,
  );
  return rows.map(({ name }) => name);
}

async function allFindings(url: string): Promise<string[]> {
  const { stdout } = await execute(linter ?? "", [
    ...["dblint", "--diagnostic-level=warn", "--max-diagnostics=none", "--reporter=json"],
    `--connection-string=${url}`,
  ]).catch((error: unknown) => error as { stdout: string }); // it fails where it finds an error
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: Finding[] };
  return diagnostics.map(({ category, message }) => `${category}: ${message}`);
}

/** Lets a role have the name of one that the linter knows. */
async function renamed<Result>(
  client: pg.Client,
  role: string,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query(`alter role ${role} rename to ${name}`);
  try {
    return await work();
  } finally {
    await client.query(`alter role ${name} rename to ${role}`);
  }
}

lints(`splinter finds nothing, whatever role its own are taken for${without}`, () =>
  withThrowawayDatabase(({ ownerUrl }) =>
    withConnection(ownerUrl, async (client) => {
      const database = new URL(ownerUrl).pathname.slice(1);
      await client.query(`alter database ${database} set pgrst.db_schemas = 'crm'`);
      const found: Record<string, string[]> = {};
      for (const role of ["crm_reader", "crm_member", "crm_admin"]) {
        found[role] = await renamed(client, "crm_server", "anon", () =>
          renamed(client, role, "authenticated", () => findings(ownerUrl)),
        );
      }
      expect(found).toEqual({ crm_reader: [], crm_member: [], crm_admin: [] });

      // It does look.
      await client.query(`
        create function crm.careless() returns integer language sql return 1;
        alter table crm.contacts disable row level security`);
      const careless = await renamed(client, "crm_member", "authenticated", () =>
        findings(ownerUrl),
      );
      expect(careless.map((text) => text.split(":")[0]).sort()).toEqual([
        "splinter/security/functionSearchPathMutable",
        "splinter/security/policyExistsRlsDisabled",
      ]);
    }),
  ),
);

lints(
  `of custom fields it finds the functions, which are inlined for their indexes${without}`,
  () =>
    withThrowawayDatabase(({ ownerUrl }) =>
      withConnection(ownerUrl, async (client) => {
        await client.query(
          `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'company', 'number')`,
        );
        expect(await findings(ownerUrl)).toEqual([
          expect.stringContaining("crm_custom.companies_size"),
        ]);
      }),
    ),
);
