import type { GraphQLSchema } from "graphql";

import { type Maintenance, startMaintenance } from "../doctor/maintenance.ts";
import { NotReadyError } from "../errors/problem.ts";
import type { Extension } from "../extension.ts";
import { type AnswerCompiled, createAnswerCompiled } from "../graphql/compiled/answer.ts";
import {
  type CompiledOperations,
  createCompiledOperations,
} from "../graphql/compiled/operations.ts";
import { compileAll } from "../graphql/compiled/report.ts";
import { createTurns, type Turns } from "../graphql/limits/turns.ts";
import { checkPersistedOperations } from "../graphql/persisted/check.ts";
import {
  openPersistedOperations,
  type PersistedOperations,
} from "../graphql/persisted/operations.ts";
import { createPreset } from "../graphql/preset.ts";
import { followCustomFields, type Lag, readSchema } from "../graphql/schema/read.ts";
import { createMakeSchema } from "../graphql/schema/slices.ts";
import { constraints } from "../model/generated/constraints.ts";
import { createPgService } from "../postgres/adaptor.ts";
import type { RequestPool } from "../postgres/request-pool.ts";
import { untilAvailable } from "../postgres/until-available.ts";
import { migrationsFolder } from "../project.ts";
import type { AppDeps } from "./app-deps.ts";
import { OwnGrafserv } from "./grafserv.ts";
import type { Metrics } from "./metrics.ts";
import { createReadiness, type Readiness } from "./readiness.ts";
import type { Sockets } from "./sockets.ts";

/** The GraphQL API of one server. It is created before the database answers, and filled in later. */
export interface Api {
  readonly deps: AppDeps;
  readonly pool: RequestPool;
  /** The persisted operations, if there are any. */
  readonly operations: PersistedOperations | undefined;
  /** The turns of large operations. */
  readonly turns: Turns;
  /** Returns the preset that serves the given schemas of the database. */
  readonly preset: (schemas: string[]) => GraphileConfig.Preset;
  /** Checks the database and its migrations. */
  readonly checkDatabase: () => Promise<Readiness>;
  /** Executes operations, and serves GraphiQL; undefined until the schema is read. */
  grafserv: OwnGrafserv | undefined;
  /** Executes compiled operations; undefined if there are none. */
  answerCompiled: AnswerCompiled | undefined;
  /** Why GraphQL is not served yet. */
  waitingFor: string;
  /** The delay between changes of custom fields and the served schema. */
  lag: Readonly<Lag>;
  maintenance: Maintenance | undefined;
  /** Frees what serves GraphQL. */
  release: (() => Promise<void>) | undefined;
}

/**
 * Creates the API of a server.
 *
 * @throws {Problem} if persisted operations cannot be read.
 */
export function createApi(deps: AppDeps, pool: RequestPool, metrics: Metrics | undefined): Api {
  const { persisted, logger } = deps;
  const operations = persisted && openPersistedOperations(persisted.folder, logger);
  const turns = createTurns(deps.heavy, deps.timeouts);
  const api: Api = {
    deps,
    pool,
    operations,
    turns,
    preset: createPresets(deps, pool, operations, turns),
    checkDatabase: createReadiness(pool, migrationsFolder),
    grafserv: undefined,
    answerCompiled: undefined,
    waitingFor: "the schema has not been read yet",
    lag: { since: undefined },
    maintenance: undefined,
    release: undefined,
  };
  metrics?.measureLag(() => lagSeconds(api));
  return api;
}

/**
 * Reads the schema as soon as the database answers, and serves it over HTTP and sockets.
 *
 * @param signal ends the waiting.
 * @throws errors that waiting does not cure.
 */
export async function startApi(api: Api, sockets: Sockets, signal: AbortSignal): Promise<void> {
  await untilAvailable(
    () => serveApi(api, sockets, signal),
    (error) => {
      const isKnown = error instanceof NotReadyError;
      api.waitingFor = isKnown ? error.message : "the database does not answer";
      api.deps.logger.warn({ err: error }, "waiting for the database");
    },
    signal,
  );
}

/** Returns whether GraphQL is served, and how far the served custom fields are behind. */
export async function readinessOf(api: Api): Promise<Readiness> {
  if (api.grafserv === undefined) return { ready: false, reason: api.waitingFor };
  const state = await api.checkDatabase();
  const seconds = Math.floor(lagSeconds(api));
  return seconds > 0 ? { ...state, customFieldsBehindSeconds: seconds } : state;
}

function lagSeconds({ lag }: Api): number {
  return lag.since === undefined ? 0 : (Date.now() - lag.since) / 1000;
}

async function serveApi(api: Api, sockets: Sockets, signal: AbortSignal): Promise<void> {
  const { deps, pool, preset } = api;
  const { logger, customFieldsInterval, maintenance } = deps;
  await deps.prepare?.();
  // Another process may migrate the database, and may not have finished.
  const migrated = await api.checkDatabase();
  if (!migrated.ready) throw pool.refusal ?? new NotReadyError(migrated.reason);

  const makeSchema = createMakeSchema();
  const served = await readSchema({ pool, preset, makeSchema, logger });
  const server = new OwnGrafserv({ preset: preset(["crm"]), schema: served.schema });
  await server.ready();
  sockets.serve(server);
  api.release = async () => server.release();
  api.grafserv = server;
  if (signal.aborted) return;

  const compile = async (schema: GraphQLSchema): Promise<CompiledOperations> => {
    const compiled = createCompiledOperations(schema, deps.limits);
    const found = await compileAll(compiled, api.operations?.all() ?? []);
    if (found.length > 0) {
      logger.info({ operations: found }, "persisted operations are executed without compilation");
    }
    return compiled;
  };
  const check = (schema: GraphQLSchema): void => {
    if (api.operations === undefined) return;
    checkPersistedOperations(schema, api.operations, logger).catch((error: unknown) => {
      logger.error({ err: error }, "persisted operations could not be checked");
    });
  };
  let compiled = await compile(served.schema);
  if (api.operations !== undefined && !interferes(deps.extension)) {
    api.answerCompiled = createAnswerCompiled({
      ...{ operations: api.operations, pool, limits: deps.limits, turns: api.turns },
      ...{ compiled: () => compiled, prepared: deps.preparedStatements },
    });
  }
  check(served.schema);

  if (customFieldsInterval !== undefined) {
    api.lag = followCustomFields({
      ...{ interval: customFieldsInterval, pool, preset, makeSchema, logger, served, signal },
      async serve(schema) {
        const next = await compile(schema);
        server.setSchema(schema);
        compiled = next;
        check(schema);
      },
    });
  }
  if (maintenance !== undefined) api.maintenance = startMaintenance(pool, maintenance, logger);
}

/** Whether an application handles requests between HTTP and the database, which compiled operations skip. */
function interferes({ plugins = [] }: Extension = {}): boolean {
  return (plugins as readonly GraphileConfig.Plugin[]).some(
    ({ grafast, grafserv }) =>
      grafast?.middleware !== undefined || grafserv?.middleware !== undefined,
  );
}

function createPresets(
  deps: AppDeps,
  pool: RequestPool,
  operations: PersistedOperations | undefined,
  turns: Turns,
) {
  const { logger, persisted, extension = {} } = deps;
  const { limits, heavy, timeouts, graphiql, graphiqlTokens, introspection, queriesByGet } = deps;
  const plugins = (extension.plugins ?? []) as GraphileConfig.Plugin[];
  return (schemas: string[]): GraphileConfig.Preset => {
    const pgService = createPgService({
      pool,
      schemas: [...schemas, ...(extension.schemas ?? [])],
      prepared: deps.preparedStatements,
    });
    const base = createPreset({
      ...{ pgService, constraints, logger, limits, heavy, turns, timeouts },
      ...{ graphiql, graphiqlTokens, introspection, queriesByGet },
      persisted: { operations, only: persisted?.only ?? false },
      applicationPlugins: plugins,
    });
    return { extends: [base], plugins };
  };
}
