import pg from "pg";
import { z } from "zod";

import { clientOptions } from "./client.ts";
import { completeUrl, formatUrl, type SslMode } from "./connection-string.ts";
import { InDoubtError } from "../errors/classes.ts";
import { isInDoubt } from "./adaptor.ts";
import { hasCode } from "../errors/problem.ts";
import { explainLogin } from "./refused-login.ts";
import { retry } from "./retry.ts";
import { parse, userIdSchema } from "../model/schemas.ts";
import { typedError } from "./typed-error.ts";

/** The roles that work is done in; each may do what the ones before it may. */
export type Role = "crm_reader" | "crm_member" | "crm_admin";

/** Who does something, and with which rights. */
export interface Session {
  readonly role: Role;
  /** The name that the audit log will hold. */
  readonly userId: string;
  /** What the change comes through; `api` if not given. */
  readonly source?: "api" | "import";
}

/** Where the database is, with the login of `crm_server`. */
export interface DatabaseConfig {
  /** A name, an address, or a folder of Unix sockets. */
  readonly host: string;
  /** `PGPORT`, or 5432, if not given. */
  readonly port?: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  /** A mode of libpq; `true` is `require`, `false` is `disable`. `PGSSLMODE`, or `prefer`, if not given. */
  readonly ssl?: boolean | SslMode;
  /** The most connections that are open at once; 10 if not given. */
  readonly poolSize?: number;
}

interface PoolPatience {
  /**
   * How often a connection is tried while the server does not answer; 8 if not given, over some 10
   * seconds.
   */
  readonly connectAttempts?: number;
}

/** Where the database is, as a URL. */
interface UrlConfig {
  /** A `postgres://` URL with the login of `crm_server`. */
  readonly connectionString: string;
  /** The most connections that are open at once; 10 if not given. */
  readonly max?: number;
}

export type PoolConfig = (UrlConfig | DatabaseConfig) & PoolPatience;

type ConnectCallback = Parameters<typeof pg.Pool.prototype.connect>[0];

/**
 * Errors that a server which is starting, restarting or full gives; the next attempt may get
 * through.
 */
const unavailable = ["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "57P03", "53300"];

/**
 * Makes a pool of connections that waits for a server which is not there yet.
 *
 * A connection that breaks while idle is dropped, and the next query opens another. The pool is the
 * caller's to end. PostgreSQL's own environment variables fill in what is not given, as they do for psql.
 * The times that the login role has hold: 20 seconds for a statement, 5 for a lock, 10 for a transaction
 * in which nothing happens, unless `alter role` or `set local` says otherwise.
 *
 * @throws {ValidationError} where the port or the size of the pool is not one.
 */
export function createPool(config: PoolConfig): pg.Pool {
  const { connectAttempts = 8 } = config;
  const { url, max = 10 } =
    "connectionString" in config
      ? { url: config.connectionString, max: config.max }
      : { url: urlOf(config), max: config.poolSize };
  const options = clientOptions(completeUrl(url, process.env, "connectionString"));
  const pool = new RetryingPool(connectAttempts, { ...options, max });
  pool.on("error", () => undefined);
  return pool;
}

const wholeNumbers = z.object({
  port: z.int().min(1).max(65_535).optional(),
  poolSize: z.int().min(1).optional(),
});

function urlOf(config: DatabaseConfig): string {
  parse(wholeNumbers, config);
  const { host, port, database, user, password, ssl } = config;
  const sslmode = typeof ssl === "boolean" ? (ssl ? "require" : "disable") : ssl;
  return formatUrl({
    host,
    ...(port === undefined ? {} : { port: String(port) }),
    dbname: database,
    user,
    ...(password === undefined ? {} : { password }),
    ...(sslmode === undefined ? {} : { sslmode }),
  });
}

/**
 * Runs a function in one transaction: all of it, or nothing.
 *
 * Repositories that are given the client take part, with the role of the session. A deadlock is not
 * tried again here, because the function may have done more than ask the database.
 *
 * @param pool logs in as `crm_server`.
 * @param session who it is done for.
 * @param work what to do with the connection; it must not be used afterwards.
 * @throws {ValidationError} where the user id is not one; {@link InDoubtError} where the connection is
 *   lost while the transaction is committed; an error of `server/errors/classes.ts` where the database refuses;
 *   and whatever else `work` throws.
 */
export async function inTransaction<Result>(
  pool: pg.Pool,
  session: Session,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const userId = parseUserId(session.userId);
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("begin");
    await client.query(
      `select set_config('role', $1, true),
              set_config('crm.user_id', $2, true),
              set_config('crm.source', $3, true)`,
      [session.role, userId, session.source ?? "api"],
    );
    const result = await work(client);
    await client.query("commit").catch((error: unknown) => {
      throw isInDoubt(error) ? new InDoubtError(error) : error;
    });
    return result;
  } catch (error) {
    await client.query("rollback").catch((rollbackError: unknown) => {
      broken = rollbackError as Error;
    });
    throw error instanceof pg.DatabaseError ? typedError(error) : error;
  } finally {
    client.release(broken);
  }
}

/**
 * Reads the id of a user.
 *
 * @throws {ValidationError} where it is blank, too long, or one of a database session.
 */
export function parseUserId(userId: unknown): string {
  return parse(writer, { userId }).userId;
}

const writer = z.object({ userId: userIdSchema });

class RetryingPool extends pg.Pool {
  readonly #attempts: number;

  constructor(attempts: number, config: pg.PoolConfig) {
    super(config);
    this.#attempts = attempts;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | undefined {
    if (callback !== undefined) {
      super.connect(callback);
      return undefined;
    }
    return retry(() => super.connect(), {
      attempts: this.#attempts,
      pause: 150,
      isWorthwhile: (error) => hasCode(error, ...unavailable),
    }).catch((error: unknown) => {
      throw explainLogin(error);
    });
  }
}
