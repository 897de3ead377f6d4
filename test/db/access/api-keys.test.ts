import { createHash } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../../server/postgres/connect.ts";
import {
  asRole,
  createTestDatabase,
  type TestDatabase,
  withRollback,
} from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

interface Issued {
  key: string;
  id: string;
  name: string;
  prefix: string;
}

async function create(client: pg.Client, name: string, expiry?: string): Promise<Issued> {
  const { rows } = await client.query<Issued>(
    `select issued.key, (issued.api_key).id, (issued.api_key).name, (issued.api_key).prefix
     from crm.create_api_key($1, 'member', now() + $2::interval) as issued`,
    [name, expiry],
  );
  const [issued] = rows;
  if (issued === undefined) throw new Error("no key");
  return issued;
}

const hash = (key: string) => createHash("sha256").update(key).digest();

async function authenticate(client: pg.Client, key: string): Promise<unknown> {
  const { rows } = await client.query<Record<string, unknown>>(
    "select * from crm_private.authenticate_api_key($1)",
    [hash(key)],
  );
  return rows[0];
}

const good = (name: string) => ({ user_id: `key:${name}`, role: "member", fault: null });

describe("an API key", () => {
  test("has 256 random bits, of which the row shows the first few", () =>
    withRollback(async (client) => {
      const keys = new Set<string>();
      for (let i = 0; i < 50; i += 1) {
        const { key, prefix } = await create(client, `key-${i}`);
        expect(key).toMatch(/^pgcrm_[A-Za-z0-9_-]{43}$/);
        expect(key.slice(0, 12)).toBe(prefix);
        keys.add(key);
      }
      expect(keys.size).toBe(50);
    }));

  test("is kept nowhere, and its hash is in one place that nobody reads", () =>
    withRollback(async (client) => {
      const { key } = await create(client, "zapier");
      const secrets = [key, key.slice(6), hash(key).toString("hex"), hash(key).toString("base64")];
      const { rows } = await client.query<{ name: string }>(
        `select format('%I.%I', nspname, relname) as name
         from pg_class join pg_namespace as namespace on namespace.oid = relnamespace
         where relkind in ('r', 'p') and nspname in ('crm', 'crm_private', 'crm_migrations')`,
      );
      const holding: string[] = [];
      for (const { name } of rows) {
        const found = await client.query(
          `select from ${name} as record
           where exists (select from unnest($1::text[]) as secret
                         where strpos(record::text, secret) > 0)`,
          [secrets],
        );
        if (found.rowCount !== 0) holding.push(name);
      }
      expect(holding).toEqual(["crm_private.api_key_hashes"]);
      for (const role of ["crm_reader", "crm_member", "crm_admin", "crm_server"] as const) {
        await asRole(client, role, "ann");
        for (const text of [
          "select from crm_private.api_key_hashes",
          "copy crm_private.api_key_hashes to stdout",
          "delete from crm_private.api_key_hashes",
        ]) {
          expect(await refusal(client, text)).toMatchObject({ code: "42501" });
        }
      }
    }));

  test("is created by administrators only, and by no other key", () =>
    withRollback(async (client) => {
      for (const role of ["crm_reader", "crm_member", "crm_server", "crm_reporter"] as const) {
        await asRole(client, role, "ann");
        for (const text of [
          "select crm.create_api_key('x', 'reader')",
          "select crm.revoke_api_key(null)",
          "select from crm.api_keys",
        ]) {
          expect(await refusal(client, text)).toMatchObject({ code: "42501" });
        }
      }
      await asRole(client, "crm_admin", "key:zapier");
      expect(await refusal(client, "select crm.create_api_key('x', 'reader')")).toMatchObject({
        code: "42501",
      });
      await asRole(client, "crm_admin", "ann");
      await create(client, "x");
    }));

  test("is refused with every fault of its name, role and expiry at once", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ann");
      const answer = (text: string) => refusal(client, `select crm.create_api_key(${text})`);
      expect(await answer("'Zapier', 'owner', now()")).toMatchObject({
        code: "23514",
        fields: {
          name: [expect.any(String)],
          role: ['"owner" is not one of reader, member, admin'],
          expiresAt: ["must be in the future, at most 100 years from now"],
        },
      });
      expect(await answer("null, null")).toMatchObject({
        fields: { name: ["is required"], role: ["is required"] },
      });
      expect(await answer("'x', 'crm_admin'")).toMatchObject({
        constraint: "api_keys_role_known",
      });
      expect(await answer("'x', 'reader', 'infinity'")).toMatchObject({
        constraint: "api_keys_expires_at_range",
      });
      await create(client, "zapier");
      expect(await answer("'zapier', 'reader'")).toMatchObject({
        code: "23505",
        constraint: "api_keys_name_unique",
      });
    }));

  test.each(["", " ", "a b", "a ", "A", "key:a", "db:a", "a..b", "-a", "ä", "a\u200b", "a\n", "%"])(
    "cannot be called %j, so that a name has one spelling",
    (name) =>
      withRollback(async (client) => {
        expect(
          await refusal(client, "select crm.create_api_key($1, 'reader')", [name]),
        ).toMatchObject({ code: "23514", constraint: "api_keys_name_format" });
      }),
  );

  test("cannot have a name of 101 characters", () =>
    withRollback(async (client) => {
      await create(client, "a".repeat(100));
      expect(
        await refusal(client, "select crm.create_api_key($1, 'reader')", ["a".repeat(101)]),
      ).toMatchObject({ code: "23514", constraint: "api_keys_name_length" });
    }));

  test("is logged when it is created and revoked, and not when it is used", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "ann");
      const { id, key } = await create(client, "zapier", "1 day");
      await client.query("reset role");
      await authenticate(client, key);
      await asRole(client, "crm_admin", "bob");
      await client.query("select crm.revoke_api_key($1)", [id]);
      await client.query("select crm.revoke_api_key($1)", [id]);
      const { rows } = await client.query<Record<string, unknown>>(
        `select history.action, history.user_id, history.changes, api_key.version,
           api_key.last_used_at is not null as was_used
         from crm.api_keys as api_key, crm.api_keys_history(api_key) as history
         where api_key.id = $1`,
        [id],
      );
      expect(rows).toMatchObject([
        { action: "update", user_id: "bob", changes: { revoked_at: { old: null } } },
        { action: "create", user_id: "ann", version: 2, was_used: true },
      ]);
      expect(Object.keys(rows[0]?.changes as object)).toEqual(["revoked_at"]);
    }));

  test.each([
    ["revoked", "revoked_at = now()"],
    ["expired", "expires_at = clock_timestamp()"],
  ])("that is %s writes nothing more, in a transaction that is under way, too", (_, end) =>
    withRollback(async (client) => {
      const { id } = await create(client, "zapier");
      await asRole(client, "crm_member", "key:zapier");
      const insert = "insert into crm.companies (name) values ('Acme')";
      const writes = [
        insert,
        "update crm.companies set name = 'Bolt'",
        "delete from crm.companies",
      ];
      await client.query(insert);
      await client.query("reset role");
      await client.query(`update crm.api_keys set ${end} where id = $1`, [id]);
      await asRole(client, "crm_member", "key:zapier");
      for (const text of writes) {
        expect(await refusal(client, text)).toMatchObject({ code: "42501" });
      }
      await asRole(client, "crm_member", "ann");
      for (const text of writes) expect((await client.query(text)).rowCount).toBeGreaterThan(0);
    }),
  );

  test("that there is not writes nothing", () =>
    withRollback(async (client) => {
      await asRole(client, "crm_admin", "key:nobody");
      for (const text of [
        "update crm.pipeline_stages set position = position",
        "delete from crm.pipeline_stages",
        "insert into crm.companies (name) values ('Acme')",
      ]) {
        expect(await refusal(client, text)).toMatchObject({ code: "42501" });
      }
    }));

  test("that there is not cannot be revoked", () =>
    withRollback(async (client) => {
      const text = "select crm.revoke_api_key($1)";
      expect(await refusal(client, text, [null])).toMatchObject({
        code: "23502",
        fields: { id: ["is required"] },
      });
      expect(await refusal(client, text, ["00000000-0000-0000-0000-000000000000"])).toMatchObject({
        code: "P0002",
        fields: { entityType: "apiKey", ids: ["00000000-0000-0000-0000-000000000000"] },
      });
    }));

  test("has no entry in the audit log that a reader could see", () =>
    withRollback(async (client) => {
      await create(client, "zapier");
      const seen = "select from crm.audit_logs where entity_type = 'api_key'";
      await asRole(client, "crm_admin", "ann");
      expect((await client.query(seen)).rowCount).toBe(1);
      for (const role of ["crm_reader", "crm_member"] as const) {
        await asRole(client, role, "ann");
        expect((await client.query(seen)).rowCount).toBe(0);
      }
    }));
});

describe("the check of API keys", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const asOwner = <Result>(work: (client: pg.Client) => Promise<Result>) =>
    withConnection(database.ownerUrl, work);
  const asServer = <Result>(work: (client: pg.Client) => Promise<Result>) =>
    withConnection(database.serverUrl, work);

  const lastUse = (name: string) =>
    asOwner(async (client) => {
      const { rows } = await client.query<{ time: Date | null }>(
        "select last_used_at as time from crm.api_keys where name = $1",
        [name],
      );
      return rows[0]?.time;
    });

  test("is for the server's login only", () =>
    withRollback(async (client) => {
      for (const role of ["crm_reader", "crm_member", "crm_admin", "crm_reporter"] as const) {
        await asRole(client, role, "ann");
        expect(await refusal(client, "select crm_private.authenticate_api_key('x')")).toMatchObject(
          { code: "42501" },
        );
      }
    }));

  test("knows a key by its whole hash and by nothing else", async () => {
    const { key, prefix } = await asOwner((client) => create(client, "whole"));
    await asServer(async (client) => {
      expect(await authenticate(client, key)).toEqual(good("whole"));
      for (const guess of [prefix, "", "%", `${prefix}%`, `${key} `, key.toUpperCase()]) {
        expect(await authenticate(client, guess)).toBeUndefined();
      }
      const part = await client.query("select crm_private.authenticate_api_key($1)", [
        hash(key).subarray(0, 31),
      ]);
      expect(part.rows).toEqual([]);
      const none = await client.query("select crm_private.authenticate_api_key(null)");
      expect(none.rows).toEqual([]);
    });
  });

  test("refuses a key as soon as it is revoked or has expired, and says why", async () => {
    const revoked = await asOwner((client) => create(client, "revoked"));
    const expired = await asOwner((client) => create(client, "expired", "1 day"));
    await asServer(async (client) => {
      expect(await authenticate(client, revoked.key)).toEqual(good("revoked"));
      expect(await authenticate(client, expired.key)).toEqual(good("expired"));
      await asOwner(async (owner) => {
        await owner.query("select crm.revoke_api_key($1)", [revoked.id]);
        await owner.query(
          `set session_replication_role = replica;
           update crm.api_keys
           set created_at = created_at - interval '2 days', expires_at = now()
           where name = 'expired'`,
        );
      });
      expect(await authenticate(client, revoked.key)).toEqual({
        user_id: "key:revoked",
        role: null,
        fault: "was revoked",
      });
      expect(await authenticate(client, expired.key)).toEqual({
        user_id: "key:expired",
        role: null,
        fault: "has expired",
      });
    });
  });

  test("notes the use of a key once a minute", async () => {
    const { key } = await asOwner((client) => create(client, "used"));
    expect(await lastUse("used")).toBeNull();
    await asServer((client) => authenticate(client, key));
    const first = await lastUse("used");
    expect(first).toBeInstanceOf(Date);
    await asServer((client) => authenticate(client, key));
    expect(await lastUse("used")).toEqual(first);
    await asOwner((client) =>
      client.query(
        "update crm.api_keys set last_used_at = now() - interval '61 seconds' where name = 'used'",
      ),
    );
    await asServer((client) => authenticate(client, key));
    expect(Number(await lastUse("used"))).toBeGreaterThanOrEqual(Number(first));
  });

  test("waits for nobody who has the row", async () => {
    const { key } = await asOwner((client) => create(client, "busy"));
    await asOwner(async (owner) => {
      await owner.query("begin");
      await owner.query("update crm.api_keys set revoked_at = now() where name = 'busy'");
      await asServer(async (client) => {
        await client.query("set lock_timeout = 1");
        expect(await authenticate(client, key)).toEqual(good("busy"));
      });
      await owner.query("rollback");
    });
    expect(await lastUse("busy")).toBeNull();
  });

  test("works where the database takes no writes", async () => {
    const { key } = await asOwner((client) => create(client, "standby"));
    await asServer(async (client) => {
      await client.query("set default_transaction_read_only = on");
      expect(await authenticate(client, key)).toEqual(good("standby"));
    });
    expect(await lastUse("standby")).toBeNull();
  });
});
