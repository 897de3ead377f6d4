import { createHash } from "node:crypto";
import { connect as connectSocket } from "node:net";
import pg, { type Pool, type PoolClient, type QueryArrayResult, type QueryConfig } from "pg";
import type {
  PgClient,
  PgClientQuery,
  PgClientResult,
  WithPgClient,
} from "postgraphile/@dataplan/pg";

import { clientOptions } from "./client.ts";
import type { Timeouts } from "./timeouts.ts";
import {
  InDoubtError,
  OverloadedError,
  TimeoutError,
  UnavailableError,
} from "../errors/classes.ts";
import { explainLogin, isRefusedLogin } from "./refused-login.ts";
import { isAway } from "./until-available.ts";
import { createGate, type Gate } from "./gate.ts";

/**
 * The way from PostGraphile to PostgreSQL: each statement runs under the settings of its request,
 * in one round trip.
 *
 * The stock adaptor sends `begin`, `set_config`, the statement and `commit`, and waits for each.
 * Between two Sync messages of the extended protocol PostgreSQL runs everything in one transaction
 * anyway. So the settings are bound and executed, then the statement, then comes one Sync: the
 * transaction ends there, and the settings with it, also after an error.
 */
export type PgService = GraphileConfig.PgServiceConfiguration<"pgcrm">;

export interface PgServiceOptions {
  pool: Pool;
  schemas: string[];
  /**
   * Whether statements are prepared once for each connection; yes if not given. A pooler that lends
   * connections by transaction may not know them on the next one.
   */
  prepared?: boolean | undefined;
}

/** Makes the service of PostGraphile's configuration. The pool stays the caller's to end. */
export function createPgService({ pool, schemas, prepared }: PgServiceOptions): PgService {
  return {
    name: "main",
    schemas,
    withPgClientKey: "withPgClient",
    pgSettingsKey: "pgSettings",
    pgSubscriber: null,
    adaptor: {
      createWithPgClient: () => createWithPgClient(pool, prepared),
      makePgService: createPgService,
    },
    adaptorSettings: { pool, prepared },
  };
}

/**
 * Makes the pool of connections that requests share. Its timeouts hold in the database, so nothing
 * outlives them, whatever becomes of the server.
 *
 * They are settings of the connection: as one of the transaction, a timeout would not bind the
 * statement that is sent along with it.
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
 * A pool that knows whether its login is refused. Connections that are open go on working when a
 * password has changed, so who asks them only learns of it when it is too late.
 */
export class RequestPool extends pg.Pool {
  #refusal: Error | undefined;

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on("connect", () => (this.#refusal = undefined));
  }

  /** Why the last connection was refused by PostgreSQL; undefined if none was, or none since. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  /**
   * Opens a connection beside the pool's, to see whether the login is still refused.
   *
   * @throws what PostgreSQL says, or that it does not answer.
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

/** Does something with a client of the pool; when the signal comes, it is cut short. */
type Lend = <Result>(
  pgSettings: Parameters<WithPgClient>[0],
  callback: (client: PgClient) => Result | Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/**
 * Does something in one transaction, which everything belongs to that is done with the clients that
 * are lent meanwhile. It is rolled back if the work throws, or if whoever asked is gone.
 */
export type Transact = <Result>(
  work: (withPgClient: WithPgClient) => Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/**
 * Lends clients of a pool; every statement of a client runs under the settings it was lent with.
 *
 * When whoever asked is gone, what runs is cancelled in the database, and nothing further begins. The
 * connection is not used again: a cancellation that comes late must not meet another's statement.
 */
export function createWithPgClient(pool: Pool, prepared = true): Lend {
  return (pgSettings, callback, departure) =>
    borrow(pool, prepared, departure, async (lent) => callback(lend(lent, pgSettings)));
}

/** Makes transactions out of a pool; see {@link createWithPgClient} for what holds in them. */
export function createTransact(pool: Pool, prepared = true): Transact {
  return (work, departure) =>
    borrow(pool, prepared, departure, (lent) =>
      inTransaction(lent.client, async () => {
        const turns = createGate({ places: 1 });
        return work(async (pgSettings, callback) => {
          refuseDeparted(departure);
          return callback(lend(lent, pgSettings, turns));
        });
      }),
    );
}

/** What became of the changes that were made over one connection. */
export interface Changes {
  /** How many statements have changed something, and are committed. */
  readonly done: number;
  /** What the statements failed by that were to change something. */
  readonly failures: ReadonlySet<unknown>;
}

/**
 * Does something with one connection, which is taken when it is first needed: each statement is a
 * transaction of its own, one after the other. Whoever has changed something that way can read what
 * came of it without having to wait for another connection.
 */
export type Reserve = <Result>(
  work: (withPgClient: WithPgClient, changes: Changes) => Promise<Result>,
  departure?: AbortSignal,
) => Promise<Result>;

/** Makes the way to work over one connection; see {@link createWithPgClient} for what holds there. */
export function createReserve(pool: Pool, prepared = true): Reserve {
  return async (work, departure) => {
    const turns = createGate({ places: 1 });
    const tally: Tally = { done: 0, failures: new Set() };
    let lent: Promise<Lent> | undefined;
    let client: PoolClient | undefined;
    const leave = () => client && cancel(client);
    departure?.addEventListener("abort", leave);
    try {
      return await work(async (pgSettings, callback) => {
        refuseDeparted(departure);
        const mine = await (lent ??= connect(pool, prepared));
        ({ client } = mine);
        refuseDeparted(departure);
        return callback(lendInTurn(mine, pgSettings, turns, tally));
      }, tally);
    } finally {
      departure?.removeEventListener("abort", leave);
      await lent?.then(
        async (mine) => turns.run(() => release(mine, departure)),
        () => undefined, // whoever asked for it was told
      );
    }
  };
}

interface Tally {
  done: number;
  failures: Set<unknown>;
}

/** A client whose statements and transactions come one after the other, and are kept account of. */
function lendInTurn(
  lent: Lent,
  pgSettings: Parameters<WithPgClient>[0],
  turns: Gate,
  tally: Tally,
): PgClient {
  const client = lend(lent, pgSettings);
  const change = async <Result>(work: () => Promise<Result>, isDone: (result: Result) => boolean) =>
    turns.run(async () => {
      try {
        const result = await work();
        if (isDone(result)) tally.done += 1;
        return result;
      } catch (error) {
        const failure = isInDoubt(error) ? new InDoubtError(error) : error;
        tally.failures.add(failure);
        throw failure;
      }
    });
  return {
    async query<Row>(query: PgClientQuery) {
      // Reads have a name, by which their text is known; what changes something has none.
      if (query.name !== undefined) return turns.run(() => client.query<Row>(query));
      return change(
        () => client.query<Row>(query),
        ({ rowCount, rows }) => (rowCount ?? rows.length) > 0,
      );
    },
    withTransaction: async (callback) =>
      change(
        () => client.withTransaction(callback),
        () => true,
      ),
  };
}

/**
 * Whether a statement failed in a way that leaves open what became of it: it was sent, and then its
 * connection was lost. That a session was ended from outside may have come after its commit.
 */
export function isInDoubt(error: unknown): boolean {
  const cause = error instanceof UnavailableError ? error.cause : error;
  if (cause instanceof pg.DatabaseError) return hasEnded(cause);
  if (!(cause instanceof Error) || !isAway(cause)) return false;
  // The driver knew that the connection was lost, and sent nothing.
  return !cause.message.includes("not queryable");
}

/** Whether the database has ended the session with this error. */
function hasEnded(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError && (error.severity === "FATAL" || error.severity === "PANIC")
  );
}

async function borrow<Result>(
  pool: Pool,
  prepared: boolean,
  departure: AbortSignal | undefined,
  work: (lent: Lent) => Promise<Result>,
): Promise<Result> {
  const lent = await connect(pool, prepared);
  const leave = () => cancel(lent.client);
  departure?.addEventListener("abort", leave);
  try {
    refuseDeparted(departure);
    return await work(lent);
  } finally {
    departure?.removeEventListener("abort", leave);
    release(lent, departure);
  }
}

/** Gives a connection back, or up: what its session was told last may come late, or it has ended. */
function release({ client }: Lent, departure: AbortSignal | undefined): void {
  client.release(departure?.aborted === true || ended.has(client));
}

/** Connections whose session the database has ended, though the driver may not know it yet. */
const ended = new WeakSet<PoolClient>();

function refuseDeparted(departure: AbortSignal | undefined): void {
  if (departure?.aborted) throw new TimeoutError("The client did not wait for the answer");
}

interface Lent {
  client: PoolClient;
  /** Undefined where nothing is prepared. */
  statements: Statements | undefined;
}

async function connect(pool: Pool, prepared: boolean): Promise<Lent> {
  let client: PoolClient | undefined;
  try {
    client = await pool.connect();
    return { client, statements: prepared ? await prepare(client) : undefined };
  } catch (error) {
    client?.release(true);
    // The pool gives it no code: all its connections are in use.
    if (error instanceof Error && error.message.startsWith("timeout exceeded")) {
      throw new OverloadedError("The server is busy; please try again in a moment");
    }
    if (error instanceof pg.DatabaseError || !isAway(error)) throw error;
    throw new UnavailableError("The database does not answer; please try again", error);
  }
}

/**
 * Asks the database to end what a connection runs, by a connection of its own, as the protocol
 * wants it. If that fails, the statement's timeout ends it.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
function cancel(client: PoolClient): void {
  const { host, port, processID, secretKey } = client as unknown as Backend;
  const request = Buffer.alloc(16);
  [request.length, 80_877_102, processID, secretKey].forEach((value, i) => {
    request.writeInt32BE(value, 4 * i);
  });
  const socket = host.startsWith("/")
    ? connectSocket(`${host}/.s.PGSQL.${port}`)
    : connectSocket(port, host);
  socket.on("error", () => socket.destroy());
  socket.end(request);
}

/**
 * Sets each member of a JSON object until the transaction ends. It yields no row, so nothing has to
 * be read.
 */
const settingsStatement = {
  name: "pgcrm_settings",
  text: "select from json_each_text($1) as s (key, value) where set_config(key, value, true) is null",
};

/** How many statements a connection keeps prepared. */
const maxStatements = 200;

/** The names of the statements that are prepared on a connection, the most recently used last. */
type Statements = Set<string>;
const statementsOf = new WeakMap<PoolClient, Statements>();

/**
 * How a connection speaks, whatever the server's default is: ISO and UTC, so that periods of time
 * begin where clients expect it. JIT costs more than it saves on statements as short as ours.
 */
const connectionSettings = { jit: "off", timezone: "UTC", datestyle: "ISO, YMD" };

/** Readies a connection the first time it is used. */
async function prepare(client: PoolClient): Promise<Statements> {
  const known = statementsOf.get(client);
  if (known !== undefined) return known;
  const settings = Object.entries(connectionSettings);
  await client.query(settings.map(([name, value]) => `set ${name} = '${value}'`).join("; "));
  await client.query({ ...settingsStatement, values: ["{}"] });
  const statements: Statements = new Set();
  statementsOf.set(client, statements);
  return statements;
}

/** @param turns those of the statements of a transaction that has begun already. */
function lend(
  { client, statements }: Lent,
  pgSettings: Parameters<WithPgClient>[0],
  turns?: Gate,
): PgClient {
  const settings = JSON.stringify(
    statements === undefined ? { ...connectionSettings, ...pgSettings } : (pgSettings ?? {}),
  );
  const lent: PgClient = {
    query: (query) => inTurn(turns, () => run(client, statements, settings, query)),
    withTransaction: (callback) =>
      turns === undefined
        ? inTransaction(client, () =>
            callback(lend({ client, statements }, pgSettings, createGate({ places: 1 }))),
          )
        : inSavepoint(client, turns, () => callback(lent)),
  };
  return lent;
}

async function inTurn<Result>(turns: Gate | undefined, work: () => Promise<Result>) {
  return turns === undefined ? work() : turns.run(work);
}

async function inTransaction<Result>(
  client: PoolClient,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    await client.query("begin");
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => undefined); // the connection is lost, then
    throw error instanceof Error ? explain(error) : error;
  }
}

/** A transaction within another one. */
async function inSavepoint<Result>(
  client: PoolClient,
  turns: Gate,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const say = (text: string) => turns.run(() => client.query(text));
  await say("savepoint pgcrm");
  try {
    const result = await work();
    await say("release savepoint pgcrm");
    return result;
  } catch (error) {
    await say("rollback to savepoint pgcrm; release savepoint pgcrm").catch(() => undefined);
    throw error;
  }
}

async function run<TData>(
  client: PoolClient,
  statements: Statements | undefined,
  settings: string,
  { text, values, name = nameOf(text), arrayMode }: PgClientQuery,
): Promise<PgClientResult<TData>> {
  return new Promise((resolve, reject) => {
    const config = {
      text,
      values,
      ...(arrayMode ? { rowMode: "array" as const } : {}),
      // Without a name or values the driver would take the simple protocol, and lose the settings.
      ...(statements === undefined ? { queryMode: "extended" } : { name }),
    };
    const forgotten = statements === undefined ? [] : remember(statements, name);
    const done = (error: Error | null, result: QueryArrayResult) => {
      if (hasEnded(error)) ended.add(client);
      if (error) reject(explain(error));
      else resolve(result as unknown as PgClientResult<TData>);
    };
    const isPrepared = statements !== undefined;
    client.query(new SettingsQuery({ config, settings, isPrepared, forgotten, done }));
  });
}

/** A statement whose connection is lost has no answer of the database. */
function explain(error: Error): Error {
  if (error instanceof pg.DatabaseError || !isAway(error)) return error;
  return new UnavailableError("The connection to the database was lost; please try again", error);
}

/** Reads have a name already; mutations get one, so that they are prepared too. */
function nameOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/**
 * Keeps the number of prepared statements of a connection within bounds.
 *
 * @returns the names of those to close: the one unused for longest, if it is one too many.
 */
function remember(statements: Statements, name: string): string[] {
  statements.delete(name);
  statements.add(name);
  const [oldest] = statements;
  if (oldest === undefined || statements.size <= maxStatements) return [];
  statements.delete(oldest);
  return [oldest];
}

/** The parts of `pg` that its types leave out. */
interface Backend {
  host: string;
  port: number;
  processID: number;
  secretKey: number;
}

interface Connection {
  parsedStatements: Record<string, string>;
  parse(message: { name: string; text: string; types: number[] }): void;
  close(message: { type: "S"; name: string }): void;
  bind(message: { portal: string; statement: string; values: string[] }): void;
  execute(message: { portal: string }): void;
}

interface ProtocolQuery extends pg.Query {
  prepare(connection: Connection): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}

type Done = (error: Error | null, result: QueryArrayResult) => void;

const ExtendedQuery = pg.Query as unknown as new (
  config: QueryConfig,
  values: undefined,
  done: Done,
) => ProtocolQuery;

interface SettingsQueryOptions {
  config: QueryConfig;
  settings: string;
  isPrepared: boolean;
  /** The names of statements to close before. */
  forgotten: string[];
  done: Done;
}

/** A statement that is preceded by its settings, within the same Sync. */
class SettingsQuery extends ExtendedQuery {
  readonly #options: SettingsQueryOptions;
  #isSet = false;

  constructor(options: SettingsQueryOptions) {
    super(options.config, undefined, options.done);
    this.#options = options;
  }

  /** Called by `pg` where it writes the messages of a statement, all of them in one packet. */
  override prepare(connection: Connection): void {
    const { settings, isPrepared, forgotten } = this.#options;
    for (const name of forgotten) {
      // A message of the protocol, not `deallocate`: poolers rename statements, and know this one.
      if (connection.parsedStatements[name] === undefined) continue;
      connection.close({ type: "S", name });
      Reflect.deleteProperty(connection.parsedStatements, name);
    }
    const statement = isPrepared ? settingsStatement.name : "";
    if (!isPrepared) connection.parse({ name: "", text: settingsStatement.text, types: [] });
    connection.bind({ portal: "", statement, values: [settings] });
    connection.execute({ portal: "" });
    super.prepare(connection);
  }

  /** The first command to complete is that of the settings. */
  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#isSet) super.handleCommandComplete(message, connection);
    this.#isSet = true;
  }
}
