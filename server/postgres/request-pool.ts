import pg, { type PoolClient } from "pg";

import type { UnavailableError } from "../errors/classes.ts";
import { clientOptions } from "./client.ts";
import { explainLogin, isRefusedLogin } from "./refused-login.ts";
import type { Timeouts } from "./timeouts.ts";

/**
 * Creates the pool of connections that requests share. PostgreSQL itself applies the timeouts, so no
 * statement outlives them, even if the server ends.
 *
 * They are settings of the connection: a timeout that is set in a transaction would not apply to the
 * statement that is sent with it.
 *
 * @param size the maximum number of open connections.
 */
export function createRequestPool(
  serverUrl: string,
  size: number,
  timeouts: Pick<Timeouts, "statement" | "lock" | "idleInTransaction" | "pool">,
): RequestPool {
  return new RequestPool({
    ...clientOptions(serverUrl),
    max: size,
    connectionTimeoutMillis: timeouts.pool,
    statement_timeout: timeouts.statement,
    lock_timeout: timeouts.lock,
    idle_in_transaction_session_timeout: timeouts.idleInTransaction,
  });
}

type ConnectCallback = Parameters<typeof pg.Pool.prototype.connect>[0];

/**
 * A pool that records whether its login is refused. Open connections still work after a password has
 * changed, so they do not show it in time.
 */
export class RequestPool extends pg.Pool {
  #refusal: Error | undefined;

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on("connect", () => (this.#refusal = undefined));
  }

  /** The error by which PostgreSQL refused the last login; undefined if it accepted one since. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  /**
   * Opens a connection outside the pool, to check whether the login is still refused.
   *
   * @throws the error of PostgreSQL or of the connection.
   */
  async tryLogin(): Promise<void> {
    const { Client } = this as unknown as { Client: typeof pg.Client };
    const client = new Client(this.options);
    client.on("error", () => undefined);
    try {
      await client.connect();
      this.#refusal = undefined;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    if (callback === undefined) {
      return super.connect().catch((error: unknown) => {
        throw this.#explain(error);
      });
    }
    super.connect((error, client, release) => callback(this.#explain(error), client, release));
    return undefined;
  }

  #explain<Reason>(error: Reason): Reason | UnavailableError {
    if (isRefusedLogin(error)) this.#refusal = error;
    return explainLogin(error);
  }
}
