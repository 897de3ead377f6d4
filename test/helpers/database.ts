import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";

import { withConnection } from "../../server/postgres/connect.ts";
import { changeUrl } from "../../server/postgres/database-url.ts";
import { deriveServerUrl } from "../../server/postgres/server-login.ts";
import { clusterUrl, sharedDatabase, templateDatabase } from "./cluster.ts";

/** A database of a test's own. */
export interface TestDatabase {
  /** The superuser's URL. */
  readonly ownerUrl: string;
  /** The URL of the role `crm_server`. */
  readonly serverUrl: string;
  /** Removes it, connections or not. */
  drop(): Promise<void>;
}

/** The roles that a request may run as. */
export type RequestRole = "crm_reader" | "crm_member" | "crm_admin" | "crm_server" | "crm_reporter";

/**
 * Makes a migrated, empty database.
 *
 * @param template what to copy; `template0` gives a database without any schema.
 */
export async function createTestDatabase(template = templateDatabase): Promise<TestDatabase> {
  const name = `crm_test_${randomBytes(6).toString("hex")}`;
  await withConnection(clusterUrl(), async (client) => {
    await client.query(`create database ${name} template ${template}`);
    await client.query(`revoke temporary on database ${name} from public`); // is not copied
  });
  const ownerUrl = changeUrl(clusterUrl(), { database: name });
  return {
    ownerUrl,
    serverUrl: deriveServerUrl(ownerUrl),
    drop: () =>
      withConnection(clusterUrl(), async (client) => {
        await client.query(`drop database if exists ${name} with (force)`);
      }),
  };
}

/**
 * Runs a function in a transaction of the owner that is always rolled back. A failure's code, detail,
 * hint and constraint become part of its message.
 *
 * @param work the test; savepoints are its own affair.
 * @param url the database; absent, one that no other test uses meanwhile.
 */
export async function withRollback<Result>(
  work: (client: pg.Client) => Promise<Result>,
  url = changeUrl(clusterUrl(), { database: sharedDatabase() }),
): Promise<Result> {
  return withConnection(url, async (client) => {
    await client.query("begin");
    try {
      return await work(client);
    } catch (error) {
      throw explain(error);
    } finally {
      await client.query("rollback");
    }
  });
}

/**
 * Makes the rest of the transaction run as a role and user, as a request to the server does.
 *
 * @param client inside a transaction.
 * @param role the database role.
 * @param userId the value of the setting `crm.user_id`.
 */
export async function asRole(client: pg.Client, role: RequestRole, userId: string): Promise<void> {
  await client.query("select set_config('role', $1, true), set_config('crm.user_id', $2, true)", [
    role,
    userId,
  ]);
}

/**
 * Waits until sessions of a database wait for a lock.
 *
 * @param client a connection to the database that does not wait itself.
 * @param sessions the number of waiting sessions.
 * @param event `PgSleep` for a session that pauses before it tries to lock again.
 */
export async function untilWaiting(
  client: pg.Client,
  sessions = 1,
  event: "Lock" | "PgSleep" = "Lock",
): Promise<void> {
  for (;;) {
    // Within a transaction the sessions are those that there were when it first looked.
    await client.query("select pg_stat_clear_snapshot()");
    const { rowCount } = await client.query(
      `select from pg_stat_activity
       where datname = current_database() and $1 in (wait_event_type, wait_event)`,
      [event],
    );
    if (rowCount === sessions) return;
    await sleep(10);
  }
}

/**
 * Waits until a session waits for a lock, so that the order of a race is certain.
 *
 * @param ownerUrl the database, asked over a connection of its own.
 */
export async function untilBlocked(ownerUrl: string, client: pg.Client): Promise<void> {
  await withConnection(ownerUrl, async (observer) => {
    const { processID } = client as unknown as { processID: number };
    for (;;) {
      const { rowCount } = await observer.query(
        "select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'",
        [processID],
      );
      if (rowCount === 1) return;
      await sleep(5);
    }
  });
}

function explain(error: unknown): unknown {
  if (error instanceof pg.DatabaseError) {
    const { code, detail, hint, constraint, where } = error;
    const parts = Object.entries({ code, detail, hint, constraint, where });
    for (const [name, value] of parts) {
      if (value !== undefined) error.message += `\n  ${name}: ${value}`;
    }
  }
  return error;
}
