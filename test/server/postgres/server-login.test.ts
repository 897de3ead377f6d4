import { randomBytes } from "node:crypto";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { changeUrl, urlPassword } from "../../../server/postgres/database-url.ts";
import { migrateDatabase } from "../../../server/migrations/migrate.ts";
import {
  deriveServerUrl,
  readLogin,
  scramVerifier,
} from "../../../server/postgres/server-login.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const sessionUser = (url: string) =>
  withConnection(url, async (client) => {
    const { rows } = await client.query<{ name: string }>("select session_user as name");
    return rows[0]?.name;
  });

describe("the server's login", () => {
  test("is derived from the owner's URL, the same by every server, and tells nothing of it", () => {
    const derived = deriveServerUrl("postgres://owner:secret@db.example/crm");
    expect(derived).toBe(deriveServerUrl("postgres://owner:secret@db.example/crm"));
    expect(derived).toMatch(/^postgres:\/\/crm_server:[\w-]{43}@db\.example\/crm$/);
    expect(urlPassword(derived)).not.toBe(
      urlPassword(deriveServerUrl("postgres://owner:other@db.example/crm")),
    );
  });

  test("has no password where the owner's URL has none", () => {
    expect(deriveServerUrl("postgres://owner@db.example/crm")).toBe(
      "postgres://crm_server@db.example/crm",
    );
  });

  test("works after migrating", async () => {
    expect(await sessionUser(database.serverUrl)).toBe("crm_server");
  });

  test("keeps its password, whatever the URL at hand has, unless a change is asked for", async () => {
    const other = changeUrl(database.serverUrl, { password: "mistyped" });
    const before = await verifier();
    const { ownerUrl } = database;

    // Derived from the owner's URL: somebody else's servers may use another.
    const reported: string[] = [];
    const report = (line: string) => void reported.push(line);
    expect(await migrateDatabase({ ownerUrl, serverUrl: other, report })).toEqual([]);
    expect(reported).toEqual([expect.stringContaining("SERVER_DATABASE_URL")]);
    // Given, or about to be served with.
    for (const target of [{ isServerUrlGiven: true }, { otherPassword: "refuse" as const }]) {
      await expect(
        migrateDatabase({ ownerUrl, serverUrl: other, ...target }),
      ).rejects.toMatchObject({
        name: "Problem",
        message: expect.stringMatching(/was not changed\..*--set-server-password/s),
      });
    }
    await migrateDatabase({ ownerUrl, serverUrl: database.serverUrl, otherPassword: "replace" });
    expect(await verifier()).toBe(before);
    expect(await sessionUser(database.serverUrl)).toBe("crm_server");
  });

  test("is known for what it is before anything is changed", () =>
    withConnection(database.ownerUrl, async (client) => {
      const other = changeUrl(database.serverUrl, { password: "mistyped" });
      const none = changeUrl(database.serverUrl, { password: null });
      expect(await readLogin(client, database.serverUrl)).toBe("works");
      expect(await readLogin(client, other)).toBe("differs");
      expect(await readLogin(client, none)).toBe("unknown");
      await client.query("begin");
      await client.query("alter role crm_server rename to gone");
      expect(await readLogin(client, database.serverUrl)).toBe("missing");
      await client.query("rollback");
    }));
});

const verifier = () =>
  withConnection(database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ rolpassword: string }>(
      "select rolpassword from pg_authid where rolname = 'crm_server'",
    );
    return rows[0]?.rolpassword;
  });

describe("a SCRAM verifier", () => {
  test("is what RFC 7677 computes", () => {
    // The exchange of the RFC's section 3: password "pencil", its salt, 4096 iterations.
    const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
    expect(scramVerifier("pencil", salt)).toBe(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" +
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });

  test("lets exactly its password in", async () => {
    const role = `crm_test_${randomBytes(4).toString("hex")}`;
    const url = (password: string) => changeUrl(database.ownerUrl, { user: role, password });
    await withConnection(database.ownerUrl, async (client) => {
      await client.query(`create role ${role} login password '${scramVerifier("pass%word")}'`);
      await client.query(
        `grant connect on database ${new URL(database.ownerUrl).pathname.slice(1)} to ${role}`,
      );
    });
    try {
      expect(await sessionUser(url("pass%word"))).toBe(role);
      await expect(sessionUser(url("password"))).rejects.toMatchObject({ name: "Problem" });
    } finally {
      await withConnection(database.ownerUrl, async (client) => {
        await client.query(`drop owned by ${role}`);
        await client.query(`drop role ${role}`);
      });
    }
  });
});
