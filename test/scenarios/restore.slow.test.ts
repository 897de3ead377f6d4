import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../server/postgres/connect.ts";
import { changeUrl } from "../../server/postgres/database-url.ts";
import { examine, examineCircumstances } from "../../server/doctor/doctor.ts";
import { type EmbeddedDatabase, openEmbedded } from "../../server/embedded/embedded.ts";
import { migrateDatabase } from "../../server/migrations/migrate.ts";
import { deriveServerUrl } from "../../server/postgres/server-login.ts";

// npm's PostgreSQL has no pg_dump, and Debian's is too old for it: both are Debian's here.
const binaries = "/usr/lib/postgresql/15";
const isHere =
  existsSync(join(binaries, "bin", "pg_dump")) && existsSync(join(binaries, "bin", "postgres"));
const describeHere = isHere ? describe : describe.skip;

const entry = join(import.meta.dirname, "../../bin/pgcrm.js");
const program = (name: string, ...parameters: string[]) =>
  execFileSync(join(binaries, "bin", name), parameters, { stdio: "pipe", encoding: "utf8" });

/** What is found, but for the version of PostgreSQL, which is the machine's. */
const findings = (url: string) =>
  withConnection(url, async (client) => {
    await client.query("begin");
    const found = await examine(client).finally(() => client.query("rollback"));
    return found.filter((finding) => !finding.startsWith("PostgreSQL "));
  });

const definitions = `
  insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values, is_unique)
  values ('size', 'Size', 'contact', 'number', null, false),
         ('tier', 'Tier', 'company', 'enum', '{gold,silver}', false),
         ('code', 'Code', 'deal', 'text', null, true)`;

describeHere("a database that is dumped and restored", () => {
  let folder: string;
  let cluster: EmbeddedDatabase;
  let superuserUrl: string;
  let ownerUrl: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "pgcrm-restore-"));
    chmodSync(folder, 0o755);
    cluster = await openEmbedded({
      folder: join(folder, "postgres"),
      binaries,
      settings: { fsync: "off" },
    });
    await cluster.ensureDatabase("crm");
    superuserUrl = cluster.url("crm");
    ownerUrl = changeUrl(superuserUrl, { user: "owner", password: "secret" });
    await withConnection(superuserUrl, (client) =>
      client.query(
        `create role owner login createrole password 'secret'; alter database crm owner to owner`,
      ),
    );
    await migrateDatabase({ ownerUrl, serverUrl: deriveServerUrl(ownerUrl) });
    await withConnection(ownerUrl, async (client) => {
      await client.query(definitions);
      await client.query(
        `insert into crm.contacts (first_name, last_name, custom_fields)
         values ('Ada', 'Byron', '{"size": 1}')`,
      );
    });
  }, 180_000);
  afterAll(async () => {
    await cluster.close();
    rmSync(folder, { recursive: true });
  });

  const createDatabase = (name: string) =>
    withConnection(superuserUrl, async (client) => {
      await client.query(`create database ${name} owner owner`);
    });
  const at = (url: string, database: string) => changeUrl(url, { database });

  test("has no finding, however often, once it has been migrated", async () => {
    expect(await findings(superuserUrl)).toEqual([]);
    let from = superuserUrl;
    for (const name of ["first", "second", "third"]) {
      program("pg_dump", "-Fc", "-f", join(folder, name), from);
      await createDatabase(name);
      from = at(superuserUrl, name);
      program("pg_restore", "--exit-on-error", "-d", from, join(folder, name));
      // All that a dump does not have is what every new database lets everybody do.
      expect(
        (await findings(from)).filter((finding) => !finding.includes("temporary tables")),
      ).toEqual([]);
      await migrateDatabase({ ownerUrl: at(ownerUrl, name) });
      expect([name, await findings(from)]).toEqual([name, []]);
    }
    // What is really another one is still found.
    await withConnection(from, (client) =>
      client.query(
        `drop trigger _110_stamp_insert on crm.notes;
         create trigger _110_stamp_insert before insert on crm.notes
           for each row when (new.id is null) execute function crm_private.stamp_insert()`,
      ),
    );
    expect(await findings(from)).toEqual([
      "trigger _110_stamp_insert on crm.notes differs from that of this version",
    ]);
  }, 240_000);

  test("of data only, by a superuser, leaves nothing that is not the owner's", async () => {
    const data = join(folder, "data.sql");
    program(
      "pg_dump",
      ...["--data-only", "--disable-triggers", "--load-via-partition-root"],
      ...["--schema=crm", "--schema=crm_private", "-f", data, superuserUrl],
    );
    await createDatabase("loaded");
    await migrateDatabase({ ownerUrl: at(ownerUrl, "loaded") });
    const target = at(superuserUrl, "loaded");
    program("psql", "-v", "ON_ERROR_STOP=1", "-1", ...documentedCommands(data), target);

    await withConnection(target, async (client) => {
      const { rows } = await client.query(
        `select 'function ' || oid::regprocedure as object
         from pg_proc
         where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace, 'crm_custom'::regnamespace)
           and proowner <> 'owner'::regrole
         union all
         select 'relation ' || oid::regclass from pg_class
         where relnamespace in (
             'crm'::regnamespace, 'crm_private'::regnamespace, 'crm_custom'::regnamespace,
             'reporting'::regnamespace
           )
           and relowner <> 'owner'::regrole`,
      );
      expect(rows).toEqual([]);
    });
    expect(await findings(target)).toEqual([]);
    // The owner can go on, by itself.
    await withConnection(at(ownerUrl, "loaded"), async (client) => {
      await client.query(
        "update crm.custom_field_definitions set label = 'Sizes' where name = 'size'",
      );
      const { rows } = await client.query("select custom_size from reporting.contacts");
      expect(rows).toEqual([{ custom_size: "1" }]);
    });
  }, 240_000);

  test("that is a logical copy is told to compile its custom fields, and has no finding then", async () => {
    await createDatabase("copied");
    await migrateDatabase({ ownerUrl: at(ownerUrl, "copied") });
    const target = at(superuserUrl, "copied");
    await withConnection(target, async (client) => {
      await client.query("set session_replication_role = replica"); // as what applies changes has it
      await client.query(definitions);
    });
    const hint = "npx pgcrm field compile compiles it from the definitions";
    expect((await findings(target)).filter((finding) => finding.includes(hint))).toHaveLength(3);
    const output = execFileSync(process.execPath, [entry, "field", "compile"], {
      env: { PATH: process.env.PATH, DATABASE_URL: at(ownerUrl, "copied") },
      encoding: "utf8",
    });
    expect(output).toBe("Compiled the custom fields.\n");
    expect(await findings(target)).toEqual([]);
    await withConnection(target, (client) =>
      client.query("select custom_tier from reporting.companies"),
    );
  }, 240_000);

  test("a standby is examined as far as it can be, and refuses work in one sentence", async () => {
    const place = join(folder, "standby");
    const { uid, gid } = statSync(join(folder, "postgres"));
    mkdirSync(place, { mode: 0o700 });
    chownSync(place, uid, gid);
    const password = join(place, "password");
    copyFileSync(join(folder, "postgres", "password"), password);
    const { hostname, port } = new URL(superuserUrl);
    await withConnection(superuserUrl, (client) =>
      client.query("create role copier login replication password 'secret'"),
    );
    execFileSync(
      join(binaries, "bin", "pg_basebackup"),
      [
        "-d",
        `host=${hostname} port=${port} user=copier password=secret`,
        "-D",
        join(place, "data"),
        "-R",
        "--checkpoint=fast",
      ],
      { uid, gid, cwd: "/", stdio: "pipe" },
    );
    chownSync(password, uid, gid);
    const standby = await openEmbedded({ folder: place, binaries, settings: { fsync: "off" } });
    try {
      const url = standby.url("crm");
      expect(await findings(url)).toEqual([]);
      await withConnection(url, async (client) => {
        expect(await examineCircumstances(client, false)).toEqual([
          expect.stringMatching(/^This is a standby: .* on its primary only\.$/),
        ]);
      });
      for (const parameters of [
        ["maintain"],
        ["key", "create", "a", "--role", "reader"],
        ["field", "compile"],
      ]) {
        const refused = outcomeOf(parameters, url);
        expect([parameters, refused]).toEqual([
          parameters,
          {
            status: 1,
            stderr: "The database is read-only. If it is a standby, use the URL of its primary.\n",
          },
        ]);
      }
      expect(outcomeOf(["doctor"], url).stderr).toBe("");
      expect(outcomeOf(["status"], url)).toEqual({ status: 0, stderr: "" });
      expect(outcomeOf(["verify"], url)).toEqual({ status: 0, stderr: "" });
    } finally {
      await standby.close();
    }
  }, 240_000);

  function outcomeOf(parameters: string[], url: string): { status: number; stderr: string } {
    try {
      execFileSync(process.execPath, [entry, ...parameters], {
        env: { PATH: process.env.PATH, DATABASE_URL: url },
        stdio: "pipe",
      });
      return { status: 0, stderr: "" };
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: Buffer };
      return { status, stderr: stderr.toString() };
    }
  }
});

/** The commands of docs/how-to/back-up-and-restore.md that load data alone. */
function documentedCommands(data: string): string[] {
  return [
    ...["-c", "set session_replication_role = replica"],
    ...["-c", "delete from crm.audit_logs"],
    ...["-c", "delete from crm.pipeline_stages"],
    ...["-c", "delete from crm_private.entity_types"],
    ...["-c", "delete from crm_private.audit_log_blocks"],
    ...["-c", "delete from crm_private.audit_log_progress"],
    ...["-c", "delete from crm_private.settings"],
    ...["-c", "reset session_replication_role"],
    ...["-f", data],
    "-c",
    "select crm_private.compile_custom_fields(entity_type) from crm_private.entity_types where has_custom_fields",
  ];
}
