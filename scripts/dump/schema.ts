import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Where apt puts PostgreSQL 15. */
export const postgres15 = "/usr/lib/postgresql/15";

const introduction = `-- The present schema as pg_dump 15 writes it, without functions and comments, which stand in functions/ and
-- tables/. npm run schema:dump writes it, and CI compares it. It is to be read and compared, not to be run:
-- npx pgcrm migrate makes the schema.
`;

/**
 * The schema of a database: types, tables, constraints, indexes, triggers, policies, rights and views. What
 * differs from one dump to the next is left out: versions, keys, the partitions of months.
 *
 * @param url that of the database's owner, on a server of PostgreSQL 15.
 */
export async function dumpSchema(url: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pgcrm-dump-"));
  const [archive, list] = [join(folder, "archive"), join(folder, "list")];
  try {
    await run("pg_dump", [
      ...["--schema-only", "--no-owner", "--format=custom", "--exclude-schema=graphile_migrate"],
      ...["--exclude-schema=crm_migrations", "--exclude-table=crm_private.audit_logs_*"],
      ...["--file", archive, url],
    ]);
    const entries = (await run("pg_restore", ["--list", archive])).split("\n");
    const kept = entries.filter((entry) => !/\b(FUNCTION|COMMENT)\b/.test(entry));
    await writeFile(list, kept.join("\n"));
    const sql = await run("pg_restore", ["--no-owner", `--use-list=${list}`, "--file=-", archive]);
    return `${introduction}\n${tidy(sql)}\n`;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Without the lines that only name what follows, and those that are another in every dump. */
function tidy(sql: string): string {
  return sql
    .split("\n")
    .filter((line) => !/^(--|\\(un)?restrict |SET |SELECT pg_catalog\.set_config)/.test(line))
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}

async function run(program: string, parameters: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(join(postgres15, "bin", program), parameters, {
    maxBuffer: 100_000_000,
  });
  return stdout;
}
