import { createHash } from "node:crypto";

import pg, { type PoolClient, type QueryArrayResult, type QueryConfig } from "pg";
import type { PgClientQuery, PgClientResult } from "postgraphile/@dataplan/pg";

import { UnavailableError } from "../errors/classes.ts";
import { Recent } from "../recent.ts";
import { hasEnded, isUnreachable } from "./away.ts";
import { setSettings } from "./session.ts";

/*
 * A statement of PostGraphile runs with the settings of its request in one round trip.
 *
 * The stock adaptor sends `begin`, `set_config`, the statement and `commit`, and waits for each. But
 * PostgreSQL runs everything between two Sync messages of the extended protocol in one transaction. So the
 * settings are bound and executed, then the statement, and then one Sync is sent. It ends the transaction,
 * and the settings with it, also after an error.
 */

/** Sets the settings of a request. It returns no row, so no result has to be read. */
const settingsStatement = { name: "pgcrm_settings", text: setSettings };

/**
 * The settings of every connection, in place of the server's defaults: ISO dates and UTC, so that
 * periods of time begin where clients expect it. JIT costs more than it saves on such short statements.
 */
export const connectionSettings = { jit: "off", timezone: "UTC", datestyle: "ISO, YMD" };

/** The maximum number of prepared statements of a connection. */
const maxStatements = 200;

/** The names of the statements that are prepared on a connection, the most recently used last. */
export type Statements = Set<string>;
const statementsOf = new WeakMap<PoolClient, Statements>();

/** Connections whose session the database has ended. The driver may not know it yet. */
const ended = new WeakSet<PoolClient>();

/** Whether the database has ended the session of a connection, as {@link run} has seen. */
export function isEnded(client: PoolClient): boolean {
  return ended.has(client);
}

/** Sets up a connection on its first use, and returns its prepared statements. */
export async function prepare(client: PoolClient): Promise<Statements> {
  const known = statementsOf.get(client);
  if (known !== undefined) return known;
  const settings = Object.entries(connectionSettings);
  await client.query(settings.map(([name, value]) => `set ${name} = '${value}'`).join("; "));
  await client.query({ ...settingsStatement, values: ["{}"] });
  const statements: Statements = new Set();
  statementsOf.set(client, statements);
  return statements;
}

/**
 * Runs a statement with its settings.
 *
 * @param statements undefined if nothing is prepared.
 * @param settings a JSON object.
 * @throws {UnavailableError} if the connection is lost.
 */
export async function run<TData>(
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
      // Without a name or values the driver would use the simple protocol, and lose the settings.
      ...(statements === undefined ? { queryMode: "extended" } : { name }),
    };
    const forgotten = statements === undefined ? [] : remember(statements, name);
    const done = (error: Error | null, result: QueryArrayResult) => {
      if (hasEnded(error)) ended.add(client);
      if (error) reject(explainLoss(error));
      else resolve(result as unknown as PgClientResult<TData>);
    };
    const isPrepared = statements !== undefined;
    client.query(new SettingsQuery({ config, settings, isPrepared, forgotten, done }));
  });
}

/** Returns the error that clients get if the connection was lost, and any other error as it is. */
export function explainLoss(error: Error): Error {
  if (!isUnreachable(error)) return error;
  return new UnavailableError("The connection to the database was lost; please try again", error);
}

/** The names of statements, by their text. */
const names = new Recent<string, string>(500);

/** Reads have a name already. Mutations get one, so that they are prepared too. */
function nameOf(text: string): string {
  return names.get(text) ?? names.set(text, createHash("sha256").update(text).digest("base64url"));
}

/**
 * Limits the number of prepared statements of a connection.
 *
 * @returns the names of the statements to close: the least recently used one, if there is one too many.
 */
function remember(statements: Statements, name: string): string[] {
  statements.delete(name);
  statements.add(name);
  const [oldest] = statements;
  if (oldest === undefined || statements.size <= maxStatements) return [];
  statements.delete(oldest);
  return [oldest];
}

/** The parts of `pg` that its types omit. */
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

  /** Called by `pg` to write the messages of a statement, all of them in one packet. */
  override prepare(connection: Connection): void {
    const { settings, isPrepared, forgotten } = this.#options;
    for (const name of forgotten) {
      // A protocol message, not `deallocate`: poolers rename statements, and translate the message.
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
