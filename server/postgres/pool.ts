import pg from "pg";
import { z } from "zod";

import { isAway, isInDoubt, isTimeout } from "./away.ts";
import { clientOptions } from "./client.ts";
import { completeUrl, formatUrl, type SslMode } from "./connection-string.ts";
import { InDoubtError } from "../errors/classes.ts";
import { explainLogin } from "./refused-login.ts";
import { retry } from "./retry.ts";
import { type Session, setSession } from "./session.ts";
import { parse, userIdSchema } from "../model/schemas.ts";
import { typedError } from "./typed-error.ts";

export type { Role, Session } from "./session.ts";

/** The parts of a connection to the database as `crm_server`. */
export interface DatabaseConfig {
  /** A host name, an address, or a folder of Unix sockets. */
  readonly host: string;
  /** `PGPORT`, or 5432, if not given. */
  readonly port?: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  /** A mode of libpq; `true` is `require`, `false` is `disable`. `PGSSLMODE`, or `prefer`, if not given. */
  readonly ssl?: boolean | SslMode;
  /** The maximum number of open connections; 10 if not given. */
  readonly poolSize?: number;
}

interface PoolPatience {
  /**
   * The number of attempts to connect while the database is away; 8 if not given, which takes about 10
   * seconds.
   */
  readonly connectAttempts?: number;
}

/** A connection to the database as a URL. */
interface UrlConfig {
  /** A `postgres://` URL with the login of `crm_server`. */
  readonly connectionString: string;
  /** The maximum number of open connections; 10 if not given. */
  readonly max?: number;
}

export type PoolConfig = (UrlConfig | DatabaseConfig) & PoolPatience;

type ConnectCallback = Parameters<typeof pg.Pool.prototype.connect>[0];

/**
 * Creates a pool of connections that waits for a database that is away.
 *
 * A connection that is lost while idle is dropped, and the next query opens another. The caller ends the
 * pool. As for psql, PostgreSQL's environment variables are the defaults of what is not given. The
 * timeouts of the login role apply: 20 seconds for a statement, 5 for a lock, 10 for an idle transaction,
 * unless they are changed by `alter role` or `set local`.
 *
 * @throws {ValidationError} if the port or the size of the pool is invalid.
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
 * Runs a function in one transaction.
 *
 * Repositories that get the client take part in it, with the role of the session. A deadlock is not
 * retried, because the function may have effects outside the database.
 *
 * @param pool logs in as `crm_server`.
 * @param session the user, and the user's rights.
 * @param work must not use the client after it has returned.
 * @throws {ValidationError} if the user id is invalid; {@link InDoubtError} if the connection is lost
 *   during the commit; an error of `server/errors/classes.ts` if the database refuses a statement; and any
 *   other error of `work`.
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
    await setSession(client, { ...session, userId });
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
 * Returns the id of a user.
 *
 * @throws {ValidationError} if it is blank, too long, or like the user of a database session.
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
      // A timeout is not retried: the caller would wait for several of them.
      isWorthwhile: (error) => isAway(error) && !isTimeout(error),
    }).catch((error: unknown) => {
      throw explainLogin(error);
    });
  }
}
