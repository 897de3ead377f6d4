import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import { PersistedPlugin } from "@grafserv/persisted";
import type { Logger } from "pino";
import type { WithPgClient } from "postgraphile/@dataplan/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";

import type { Timeouts } from "../postgres/timeouts.ts";
import { UnauthenticatedError } from "../errors/classes.ts";
import { type Constraints } from "../errors/messages.ts";
import type { Metrics } from "../http/metrics.ts";
import { RequestsPlugin } from "../http/requests.ts";
import {
  createReserve,
  createTransact,
  createWithPgClient,
  type PgService,
} from "../postgres/adaptor.ts";
import type { TurnLimits } from "./limits/turns.ts";
import type { Limits } from "./limits/limits.ts";
import { createMaskError, type MaskError } from "./errors/mask-error.ts";
import { AggregateOrdersPlugin } from "./paging/aggregate-orders.ts";
import { AggregatesPlugin } from "./aggregates/plugin.ts";
import { BehaviorsPlugin } from "./shape/behaviors.ts";
import { CustomFieldsPlugin } from "./custom-fields/plugin.ts";
import { DefaultOrderPlugin } from "./shape/default-order.ts";
import { ExactNumbersPlugin } from "./shape/exact-numbers.ts";
import { BulkPlugin } from "./bulk/plugin.ts";
import { createGraphiqlPlugin } from "./serving/graphiql.ts";
import { IdempotencyPlugin } from "./idempotency/plugin.ts";
import { InputErrorsPlugin } from "./errors/input-errors.ts";
import { MutationsPlugin } from "./mutations/plugin.ts";
import { InsensitiveFiltersPlugin } from "./filters/insensitive-filters.ts";
import { ListFiltersPlugin } from "./filters/list-filters.ts";
import { LikePatternsPlugin } from "./filters/like-patterns.ts";
import { ListOperatorsPlugin } from "./filters/list-operators.ts";
import { createLimitsPlugin } from "./limits/plugin.ts";
import { MoneyPlugin } from "./aggregates/money.ts";
import { NamesPlugin } from "./shape/names.ts";
import { NotFoundPlugin } from "./shape/not-found.ts";
import { GroupOrdersPlugin } from "./paging/group-orders.ts";
import { HttpPlugin } from "./serving/http.ts";
import { PagesPlugin } from "./paging/pages.ts";
import { createPageSizesPlugin } from "./paging/page-sizes.ts";
import { createPersistedPlugin, persistedIdOf, type PersistedOptions } from "./persisted/plugin.ts";
import { RelatedOrdersPlugin } from "./paging/related-orders.ts";
import { RelationDocsPlugin } from "./shape/relation-docs.ts";
import { RelationFiltersPlugin } from "./filters/relation-filters.ts";
import { ScalarsPlugin } from "./shape/scalars.ts";
import { SearchPlugin } from "./shape/search.ts";

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
  heavy: TurnLimits;
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

/** What the API looks like: its names, types, filters, orders, pages and descriptions. */
const shape: readonly GraphileConfig.Plugin[] = [
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
  ExactNumbersPlugin,
  SearchPlugin,
  PagesPlugin,
];

/** What a request passes, in this order: HTTP, its document by its id, its limits, its one execution. */
function pipelineOf(deps: PresetDeps): readonly GraphileConfig.Plugin[] {
  const { graphiqlToken, persisted, metrics } = deps;
  return [
    HttpPlugin,
    RequestsPlugin,
    ...(graphiqlToken === undefined ? [] : [createGraphiqlPlugin(graphiqlToken)]),
    createPersistedPlugin(persisted),
    ...(persisted.operations === undefined ? [] : [PersistedPlugin]),
    createPageSizesPlugin(deps.limits),
    createLimitsPlugin(deps),
    MutationsPlugin,
    IdempotencyPlugin,
    ...(metrics === undefined ? [] : [metrics.plugin]),
  ];
}

/** What a client is answered where its input, or what it asks for, is not there or not right. */
const errors: readonly GraphileConfig.Plugin[] = [NotFoundPlugin, InputErrorsPlugin];

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
    plugins: [...shape, ...pipelineOf(deps), ...errors],
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
      websockets: false, // see server/http/sockets.ts
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
