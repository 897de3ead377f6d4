import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import { PersistedPlugin } from "@grafserv/persisted";
import type { Logger } from "pino";
import type { WithPgClient } from "postgraphile/@dataplan/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";

import type { Timeouts } from "../config.ts";
import { UnauthenticatedError, type Constraints } from "../errors.ts";
import type { Metrics } from "../metrics.ts";
import { RequestsPlugin } from "../requests.ts";
import { createReserve, createTransact, createWithPgClient, type PgService } from "./adaptor.ts";
import type { Heavy } from "./heavy.ts";
import type { Limits } from "./limits/limits.ts";
import { createMaskError, type MaskError } from "./mask-error.ts";
import { AggregateOrdersPlugin } from "./plugins/aggregate-orders.ts";
import { AggregatesPlugin } from "./plugins/aggregates.ts";
import { BehaviorsPlugin } from "./plugins/behaviors.ts";
import { CustomFieldsPlugin } from "./plugins/custom-fields.ts";
import { DefaultOrderPlugin } from "./plugins/default-order.ts";
import { ExactNumbersPlugin } from "./plugins/exact-numbers.ts";
import { BulkPlugin } from "./plugins/bulk.ts";
import { createGraphiqlPlugin } from "./plugins/graphiql.ts";
import { IdempotencyPlugin } from "./plugins/idempotency.ts";
import { InputErrorsPlugin } from "./plugins/input-errors.ts";
import { MutationsPlugin } from "./plugins/mutations.ts";
import { InsensitiveFiltersPlugin } from "./plugins/insensitive-filters.ts";
import { ListFiltersPlugin } from "./plugins/list-filters.ts";
import { LikePatternsPlugin } from "./plugins/like-patterns.ts";
import { ListOperatorsPlugin } from "./plugins/list-operators.ts";
import { createLimitsPlugin } from "./plugins/limits.ts";
import { MoneyPlugin } from "./plugins/money.ts";
import { NamesPlugin } from "./plugins/names.ts";
import { NotFoundPlugin } from "./plugins/not-found.ts";
import { GroupOrdersPlugin } from "./plugins/group-orders.ts";
import { HttpPlugin } from "./plugins/http.ts";
import { PagesPlugin } from "./plugins/pages.ts";
import { createPageSizesPlugin } from "./plugins/page-sizes.ts";
import {
  createPersistedPlugin,
  persistedIdOf,
  type PersistedOptions,
} from "./plugins/persisted.ts";
import { RelatedOrdersPlugin } from "./plugins/related-orders.ts";
import { RelationDocsPlugin } from "./plugins/relation-docs.ts";
import { RelationFiltersPlugin } from "./plugins/relation-filters.ts";
import { ScalarsPlugin } from "./plugins/scalars.ts";
import { SearchPlugin } from "./plugins/search.ts";

export interface PresetDeps {
  /** The way to the database; see `createPgService`. */
  pgService: PgService;
  /** What clients are told about broken constraints. */
  constraints: Constraints;
  logger: Logger;
  /** What is counted and measured; absent, nothing is. */
  metrics?: Metrics | undefined;
  /** What one request may ask for. */
  limits: Limits;
  /** What takes turns. */
  heavy: Heavy;
  /** How long an operation may wait for its turn, and take to be planned and executed. */
  timeouts: Pick<Timeouts, "pool" | "writeTurn" | "planning" | "execution">;
  /** Whether GraphiQL is served. */
  graphiql: boolean;
  /** A token that GraphiQL sends by itself, on this machine. */
  graphiqlToken?: string | undefined;
  /** Whether the schema may be asked for, and is hinted at where a field is misspelt. */
  introspection: boolean;
  /** What can be asked for by its id. */
  persisted: PersistedOptions;
  /** Whether queries may be sent by GET too. */
  queriesByGet: boolean;
}

/**
 * Puts the API together: PostGraphile's presets, then what this product adds, then how it is
 * served.
 */
export function createPreset(deps: PresetDeps): GraphileConfig.Preset {
  const { pool, prepared } = connectionsOf(deps.pgService);
  const withPgClient = createWithPgClient(pool, prepared);
  const transact = createTransact(pool, prepared);
  const reserve = createReserve(pool, prepared);
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PostGraphileConnectionFilterPreset,
      PgAggregatesPreset,
    ],
    plugins: [
      NamesPlugin,
      BehaviorsPlugin,
      BulkPlugin,
      RelationDocsPlugin,
      DefaultOrderPlugin,
      ScalarsPlugin,
      LikePatternsPlugin,
      InsensitiveFiltersPlugin,
      ListOperatorsPlugin,
      ListFiltersPlugin,
      RelationFiltersPlugin,
      AggregatesPlugin,
      AggregateOrdersPlugin,
      MoneyPlugin,
      RelatedOrdersPlugin,
      GroupOrdersPlugin,
      CustomFieldsPlugin,
      NotFoundPlugin,
      HttpPlugin,
      RequestsPlugin,
      ExactNumbersPlugin,
      SearchPlugin,
      PagesPlugin,
      createPageSizesPlugin(deps.limits),
      createLimitsPlugin(deps),
      InputErrorsPlugin,
      MutationsPlugin,
      IdempotencyPlugin,
      ...(deps.graphiqlToken === undefined ? [] : [createGraphiqlPlugin(deps.graphiqlToken)]),
      createPersistedPlugin(deps.persisted),
      ...(deps.persisted.operations === undefined ? [] : [PersistedPlugin]),
      ...(deps.metrics === undefined ? [] : [deps.metrics.plugin]),
    ],
    disablePlugins: [
      // A row's UUID identifies it; Relay's global identifiers would name everything again.
      "NodePlugin",
      // So is Relay 1's way of nesting the root query inside itself.
      "QueryQueryPlugin",
      // Every column can be filtered and sorted by, indexed or not: a CRM's tables can be scanned.
      "PgIndexBehaviorsPlugin",
      // `filter` does all that `condition` does.
      "PgConditionArgumentPlugin",
      "PgConditionCustomFieldsPlugin",
    ],
    schema: {
      defaultBehavior: "connection -list",
      // What cannot be served is an error; PostGraphile would leave it out with a warning.
      dontSwallowErrors: true,
      connectionFilterRelations: true,
      connectionFilterAllowEmptyObjectInput: true,
      pgForbidSetofFunctionsToReturnNull: true,
    },
    pgServices: [deps.pgService],
    grafast: {
      explain: false,
      timeouts: { planning: deps.timeouts.planning, execution: deps.timeouts.execution },
      context({ expressv4, ws }) {
        const { pgSettings, departure } = expressv4?.req ?? ws?.request ?? {};
        // Authentication comes first; were it left out, nothing may run as the login role itself.
        if (pgSettings === undefined) throw new UnauthenticatedError();
        return {
          pgSettings,
          withPgClient: withDeparture(withPgClient, departure),
          transact: (work) => transact(work, departure),
          reserve: (work) => reserve(work, departure),
        };
      },
    },
    grafserv: {
      graphqlPath: "/graphql",
      graphiqlPath: "/",
      graphiql: deps.graphiql,
      graphiqlOnGraphQLGET: false,
      graphqlOverGET: deps.queriesByGet,
      websockets: false, // see server/sockets.ts
      watch: false,
      allowedRequestContentTypes: ["application/json"],
      maxRequestLength: deps.limits.bodyBytes,
      ...persistedConfig(deps.persisted),
      maskError: countingErrors(createMaskError(deps.constraints, deps.logger), deps.metrics),
    },
  };
}

/** The document of an id that is known, or the one that is sent. */
function persistedConfig({ operations, only }: PersistedOptions): GraphileConfig.GrafservOptions {
  if (operations === undefined) return {};
  const find = (id: string) => operations.get(id) ?? "";
  return {
    persistedOperationsGetter: find,
    allowUnpersistedOperation: !only,
    hashFromPayload(body) {
      const id = persistedIdOf(body);
      return id !== undefined && operations.get(id) !== undefined ? id : undefined;
    },
  };
}

function countingErrors(mask: MaskError, metrics: Metrics | undefined): MaskError {
  if (metrics === undefined) return mask;
  return (error) => {
    const masked = mask(error);
    metrics.noteError(masked.extensions.code);
    return masked;
  };
}

/** The same clients, for a request that whoever asked may leave. */
function withDeparture(lend: ReturnType<typeof createWithPgClient>, departure?: AbortSignal) {
  const withPgClient: WithPgClient = (pgSettings, callback) =>
    lend(pgSettings, callback, departure);
  return withPgClient as unknown as NonNullable<Grafast.Context["withPgClient"]>;
}

function connectionsOf({ adaptorSettings }: PgService) {
  if (adaptorSettings === undefined) throw new Error("The service has no pool");
  return adaptorSettings;
}
