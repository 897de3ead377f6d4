import type { Pool } from "pg";
import type { WithPgClient } from "postgraphile/@dataplan/pg";
import type { ParsedGraphQLBody } from "postgraphile/grafserv";

import type { PgSettings } from "../../auth/authenticate.ts";
import {
  CommittedError,
  InDoubtError,
  OverloadedError,
  TimeoutError,
  UnavailableError,
} from "../../errors/classes.ts";
import { hasCode } from "../../errors/problem.ts";
import { type CurrentRequest, noteOperation } from "../../http/requests.ts";
import { createWithPgClient } from "../../postgres/adaptor.ts";
import { isInDoubt } from "../../postgres/away.ts";
import { isStorable } from "../errors/input-faults.ts";
import { createCheckCost, type Cost } from "../limits/cost.ts";
import type { Limits } from "../limits/limits.ts";
import { planAnew } from "../limits/plugin.ts";
import type { Turns } from "../limits/turns.ts";
import { isDeeper, isObject, type Values } from "../limits/variables.ts";
import type { PersistedOperations } from "../persisted/operations.ts";
import { persistedIdOf } from "../persisted/plugin.ts";
import type { Statement } from "./compile.ts";
import type { CompiledOperations } from "./operations.ts";
import { withJson } from "./values.ts";

/** The request of a compiled operation. It has passed authentication and the limits of requests. */
export interface CompiledRequest {
  readonly pgSettings: PgSettings;
  /** Aborted when the client disconnects before the response. */
  readonly departure: AbortSignal;
  /** Receives operation, name and code, for the log and the metrics. */
  readonly current: CurrentRequest;
  /** The error that the execution of the compiled operation has met, for the usual execution to report. */
  failure?: Error;
}

/** The response to a compiled operation; its media type is the one that the client accepts. */
export interface CompiledAnswer {
  readonly status: number;
  readonly body: string | Buffer;
}

/** Executes an operation if it is compiled; returns undefined if it is not. */
export type AnswerCompiled = (
  body: ParsedGraphQLBody,
  request: CompiledRequest,
) => Promise<CompiledAnswer | undefined>;

/** What executes compiled operations. */
export interface AnswerDeps {
  readonly operations: PersistedOperations;
  /** Returns the operations of the schema that is served. */
  readonly compiled: () => CompiledOperations;
  readonly pool: Pool;
  /** Whether connections prepare statements. */
  readonly prepared: boolean | undefined;
  readonly limits: Limits;
  readonly turns: Turns;
}

/**
 * Creates what executes compiled operations. It returns undefined for every request that it does not answer
 * with data: Grafast executes that as usual, and so reports every error. An error that a second execution
 * might not meet, such as a lost connection, is set as `failure` of the request, and Grafast reports it
 * without asking the database again.
 */
export function createAnswerCompiled(deps: AnswerDeps): AnswerCompiled {
  const { operations, compiled, limits, turns } = deps;
  const checkCost = createCheckCost(limits);
  const costs = new WeakMap<Statement, Cost>();
  const lend = createWithPgClient(deps.pool, deps.prepared);

  return async (body, request) => {
    await operations.refresh();
    const id = persistedIdOf(body);
    const text = id === undefined ? undefined : operations.get(id);
    if (text === undefined) return undefined;
    const given = parametersIn(body);
    if (given === undefined || isDeeper(given.variables, limits.variableDepth + 1))
      return undefined;
    const { operationName, variables: sent } = given;
    if (!isStorable(sent)) return undefined;
    const served = compiled();
    const operation = served.find(text, operationName);
    const variables = operation?.variablesOf(sent);
    if (operation === undefined || variables === undefined) return undefined;

    const { schema } = served;
    const { document, definition, isMutation } = operation;
    const isKnown = Object.keys(sent).every((name) => operation.declared.has(name));
    const made = operation.knownFor(variables);
    const cost =
      (isKnown && made !== undefined ? costs.get(made) : undefined) ??
      costOrNothing(() => checkCost({ schema, document, operationName, variables: sent }));
    if (cost === undefined) return undefined;
    // Only what may be executed is compiled: that takes longer than refusing it.
    const statement = made ?? operation.statementFor(variables);
    if (statement === undefined || !holds(statement, variables)) return undefined;
    if (isKnown && statement.hasConstantCost) costs.set(statement, cost);
    const { pgSettings, departure } = request;
    const turn = { cost, isMutation, departure };
    noteOperation(document, definition.name?.value);
    const clients = turns.clientsFor(turn, (settings, work) => lend(settings, work, departure));
    const settings = cost.hasLongList ? { ...pgSettings, ...planAnew } : pgSettings;
    const data = await turns
      .run(turn, () => query(statement, variables, settings, clients, isMutation))
      .catch((error: unknown) => note(request, error));
    if (data === undefined) return undefined;
    request.current.compiled = true;
    return { status: 200, body: responseOf(data, statement, isMutation) };
  };
}

/** The parameters of a request, besides the document. */
interface Given {
  readonly operationName: string | undefined;
  readonly variables: Values;
}

/** Returns the parameters of a request; undefined if Grafserv refuses them, or if they concern errors. */
function parametersIn({
  operationName,
  variableValues = {},
  extensions = {},
  onError,
}: ParsedGraphQLBody): Given | undefined {
  if (onError !== undefined || !isRecord(extensions) || !isRecord(variableValues)) return undefined;
  if (operationName !== undefined && typeof operationName !== "string") return undefined;
  return { operationName, variables: variableValues };
}

function isRecord(value: unknown): value is Values {
  return isObject(value) && !Array.isArray(value);
}

/** Returns the cost; undefined if it exceeds the limits, which Grafast reports. */
function costOrNothing(read: () => Cost): Cost | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Returns whether the variables meet the conditions of a statement. Grafast reports what is wrong with them. */
function holds({ conditions }: Statement, variables: Values): boolean {
  try {
    return conditions.every((condition) => condition(variables));
  } catch {
    return false;
  }
}

/** Executes a statement. Returns the data as JSON; undefined if no row was written. */
async function query(
  { text, parameters }: Statement,
  variables: Values,
  settings: Readonly<Record<string, string>>,
  withPgClient: WithPgClient,
  isMutation: boolean,
): Promise<string | undefined> {
  const values = parameters.map((read) => read(variables));
  const { rows } = await withPgClient(settings, async (client) => {
    try {
      return await client.query<[string]>({ text, values: values as never, arrayMode: true });
    } catch (error) {
      // Without a connection, nothing was sent.
      throw isMutation && isInDoubt(error) ? new InDoubtError(error) : error;
    }
  });
  return rows[0]?.[0];
}

/** Notes an error that a second execution must not, or need not, meet again. */
function note(request: CompiledRequest, error: unknown): undefined {
  if (isPassing(error)) request.failure = error;
}

/** Whether an error is that of the moment, not of the request. */
function isPassing(error: unknown): error is Error {
  return (
    error instanceof InDoubtError ||
    error instanceof OverloadedError ||
    error instanceof UnavailableError ||
    error instanceof TimeoutError ||
    hasCode(error, "57014", "55P03")
  );
}

/** @throws {CommittedError} if a mutation was committed, and its response cannot be written. */
function responseOf(data: string, { hasJson }: Statement, isMutation: boolean): string {
  try {
    return `{"data":${hasJson ? withJson(data) : data}}`;
  } catch (error) {
    if (!isMutation) throw error;
    throw new CommittedError(
      "The mutation was committed; only its response failed: it cannot be written",
      "INTERNAL",
    );
  }
}
