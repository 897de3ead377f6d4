import type { ClientBase } from "pg";

/** The roles of sessions. Each has the rights of the ones before it, and more. */
export type Role = "crm_reader" | "crm_member" | "crm_admin";

/** The user of a transaction, and the user's rights. */
export interface Session {
  readonly role: Role;
  /** The name that the audit log records. */
  readonly userId: string;
  /** The origin of the changes; `api` if not given. */
  readonly source?: "api" | "import";
}

/** Sets each member of a JSON object until the transaction ends. Returns no row. */
export const setSettings =
  "select from json_each_text($1) as s (key, value) where set_config(key, value, true) is null";

/** Returns a session as settings of PostgreSQL, which triggers and policies read. */
export function settingsOf({ role, userId, source = "api" }: Session) {
  return { role, "crm.user_id": userId, "crm.source": source };
}

/** Sets role, user and source until the transaction ends. */
export async function setSession(client: ClientBase, session: Session): Promise<void> {
  await client.query(setSettings, [JSON.stringify(settingsOf(session))]);
}

/**
 * Adds role, user and source to a transaction of the caller. A role that is set stays, so that a session
 * does not get more rights than it was given; a source stays too.
 *
 * @param role for a transaction that has none.
 * @param userId undefined to keep the user of the transaction.
 */
export async function joinSession(
  client: ClientBase,
  role: Role,
  userId: string | undefined,
): Promise<void> {
  await client.query(
    `select set_config('role', coalesce(nullif(current_setting('role'), 'none'), $1), true),
            set_config('crm.user_id', coalesce($2, current_setting('crm.user_id', true), ''), true),
            set_config(
              'crm.source', coalesce(nullif(current_setting('crm.source', true), ''), 'api'), true
            )`,
    [role, userId],
  );
}
