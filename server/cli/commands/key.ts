import pg from "pg";

import { withConnection } from "../../postgres/connect.ts";
import { withDatabase } from "../../embedded/open.ts";
import { type CrmError } from "../../errors/classes.ts";
import { fromPgError } from "../../errors/from-postgres.ts";
import { constraints } from "../../model/generated/constraints.ts";
import { exitCodes, hasCode, Problem } from "../../errors/problem.ts";
import type { TokenRole } from "../../auth/token.ts";
import { aligned } from "./aligned.ts";
import type { Context } from "./context.ts";

/** The properties of a new key. */
export interface NewKey {
  readonly role: TokenRole;
  /** A time span such as `90d`; by default the key is valid until it is revoked. */
  readonly expires?: string | undefined;
}

/** A stored key, without the secret part. */
interface Key {
  name: string;
  role: TokenRole;
  prefix: string;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

/**
 * Creates an API key and prints it, alone, on standard output.
 *
 * @throws {Problem} if the name, the role or the time span is not valid.
 */
export async function createKeyCommand(
  context: Context,
  name: string,
  { role, expires }: NewKey,
): Promise<void> {
  await withKeys(context, async (client) => {
    const { rows } = await client.query<{ key: string; expiresAt: Date | null }>(
      `select issued.key, (issued.api_key).expires_at as "expiresAt"
       from crm.create_api_key($1, $2, now() + $3::interval) as issued`,
      [name, role, expires],
    );
    for (const { key, expiresAt } of rows) {
      context.print(key);
      const end = expiresAt === null ? "it is revoked" : written(expiresAt);
      context.note(`The key ${name} is valid until ${end}. It cannot be shown again.`);
    }
  });
}

/** Prints all API keys by name, including revoked and expired ones. */
export async function listKeysCommand(
  context: Context,
  options: { json?: boolean },
): Promise<void> {
  await withKeys(context, async (client) => {
    const { rows } = await client.query<Key>(
      `select name, role, prefix, created_at as "createdAt", created_by as "createdBy",
         expires_at as "expiresAt", last_used_at as "lastUsedAt", revoked_at as "revokedAt"
       from crm.api_keys
       order by name`,
    );
    if (options.json === true) context.print(JSON.stringify(rows, null, 2));
    else for (const line of aligned([header, ...rows.map(cells)])) context.print(line);
  });
}

/**
 * Revokes an API key. A key that was revoked before is not changed.
 *
 * @throws {Problem} if there is no key with this name.
 */
export async function revokeKeyCommand(context: Context, name: string): Promise<void> {
  await withKeys(context, async (client) => {
    const { rows } = await client.query<{ revokedAt: Date }>(
      `select revoked.revoked_at as "revokedAt"
       from crm.api_keys as api_key, crm.revoke_api_key(api_key.id) as revoked
       where api_key.name = $1`,
      [name],
    );
    const [revoked] = rows;
    if (revoked === undefined) throw new Problem(`There is no API key named ${name}.`);
    context.print(`The key ${name} was revoked at ${written(revoked.revokedAt)}.`);
  });
}

/** Runs work on the API keys, as the owner of the database. */
async function withKeys(
  context: Context,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  await withDatabase(context.config, async ({ ownerUrl }) => {
    try {
      await withConnection(ownerUrl, work);
    } catch (error) {
      throw error instanceof pg.DatabaseError ? explain(error) : error;
    }
  });
}

/** The codes of errors that are caused by the name, the role or the time span. */
const causedByInput = new Set<CrmError["code"]>(["VALIDATION_ERROR", "CONSTRAINT_VIOLATION"]);

function explain(error: pg.DatabaseError): unknown {
  if (hasCode(error, "3F000", "42P01", "42883")) {
    return new Problem("The database is not migrated; run npx pgcrm migrate first.");
  }
  if (hasCode(error, "22007", "22008", "22015")) {
    return new Problem("--expires must be a time span such as 12h or 90d.", exitCodes.usage);
  }
  const { code, message } = fromPgError(error, constraints);
  return causedByInput.has(code) ? new Problem(`${message}.`, exitCodes.usage) : error;
}

const header = ["NAME", "ROLE", "PREFIX", "CREATED", "EXPIRES", "LAST USED", "STATE"];

function cells({ name, role, prefix, createdAt, expiresAt, lastUsedAt, revokedAt }: Key): string[] {
  const hasExpired = expiresAt !== null && expiresAt <= new Date();
  const state = revokedAt !== null ? "revoked" : hasExpired ? "expired" : "valid";
  const times = [createdAt, expiresAt, lastUsedAt].map((time) => time && written(time));
  return [name, role, prefix, ...times.map((time) => time ?? "never"), state];
}

/** Formats a time without fractions of a second. */
function written(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
