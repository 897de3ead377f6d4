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
import { RequestsPlugin } from "../http/requests.ts";
import {
  createReserve,
  createTransact,
  createWithPgClient,
  type PgService,
} from "../postgres/adaptor.ts";
import { createTurns, type TurnLimits, type Turns } from "./limits/turns.ts";
import type { Limits } from "./limits/limits.ts";
import { createMaskError } from "./errors/mask-error.ts";
import { AddressPlugin } from "./shape/address.ts";
import { AggregateOrdersPlugin } from "./paging/aggregate-orders.ts";
import { AggregatesPlugin } from "./aggregates/plugin.ts";
import { BehaviorsPlugin } from "./shape/behaviors.ts";
import { CustomFieldsPlugin } from "./custom-fields/plugin.ts";
import { createSchemaChangesPlugin } from "./custom-fields/schema-changes.ts";
import { DefaultOrderPlugin } from "./shape/default-order.ts";
import { DescriptionsPlugin } from "./shape/descriptions.ts";
import { EnumsPlugin } from "./shape/enums.ts";
import { DocsOrderPlugin } from "./shape/docs-order.ts";
import { ExactNumbersPlugin } from "./shape/exact-numbers.ts";
import { BulkPlugin } from "./bulk/plugin.ts";
import { ExternalIdFiltersPlugin } from "./external-ids/filters-plugin.ts";
import { ReferencesPlugin } from "./external-ids/references-plugin.ts";
import { createGraphiqlPlugin, graphiqlPage, type GraphiqlTokens } from "./serving/graphiql.ts";
import { ExplainPlugin } from "./serving/explain.ts";
import { IdempotencyPlugin } from "./idempotency/plugin.ts";
import { createInputErrorsPlugin } from "./errors/input-errors.ts";
import { MutationsPlugin } from "./mutations/plugin.ts";
import { InsensitiveFiltersPlugin } from "./filters/insensitive-filters.ts";
import { ListFiltersPlugin } from "./filters/list-filters.ts";
import { LikePatternsPlugin } from "./filters/like-patterns.ts";
import { ListOperatorsPlugin } from "./filters/list-operators.ts";
import { OrderlessPlugin } from "./filters/orderless.ts";
import { NullsPlugin } from "./filters/nulls.ts";
import { createLimitsPlugin } from "./limits/plugin.ts";
import { MoneyPlugin } from "./aggregates/money.ts";
import { NamesPlugin } from "./shape/names.ts";
import { AsOfPlugin } from "./shape/as-of.ts";
import { NullabilityPlugin } from "./shape/nullability.ts";
import { NodesPlugin } from "./shape/nodes.ts";
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
import { createSearchPlugin } from "./search/hits.ts";
import { ListSearchPlugin } from "./search/lists.ts";
import { createFactsPlugin } from "./compiled/facts.ts";
import { FunctionListsPlugin } from "./paging/function-lists.ts";

export interface PresetDeps {
  /** The connection to the database; see `createPgService`. */
  pgService: PgService;
  /** The messages for violated constraints. */
  constraints: Constraints;
  logger: Logger;
  /** The limits of one request. */
  limits: Limits;
  /** The limits of large operations, which take turns. */
  heavy: TurnLimits;
  /** Their turns, if other parts of the server share them. */
  turns?: Turns | undefined;
  /** The timeouts of an operation: for its turn, planning and execution. */
  timeouts: Pick<Timeouts, "pool" | "writeTurn" | "planning" | "execution">;
  /** Whether to serve GraphiQL. */
  graphiql: boolean;
  /** The tokens that GraphiQL sends, on this machine only; for development. Without them, nothing is explained. */
  graphiqlTokens?: GraphiqlTokens | undefined;
  /** Whether introspection is allowed, and errors suggest names for misspelt fields. */
  introspection: boolean;
  /** The persisted operations. */
  persisted: PersistedOptions;
  /** Whether queries may be sent by GET, too. */
  queriesByGet: boolean;
  /** The plugins that an application adds to this preset. */
  applicationPlugins?: readonly GraphileConfig.Plugin[] | undefined;
}

/** The plugins that shape the API: names, types, filters, orders, pages and descriptions. */
const shapeOf = (limits: Limits): readonly GraphileConfig.Plugin[] => [
  NamesPlugin,
  BehaviorsPlugin,
  BulkPlugin,
  ReferencesPlugin,
  ExternalIdFiltersPlugin,
  RelationDocsPlugin,
  DefaultOrderPlugin,
  ScalarsPlugin,
  EnumsPlugin,
  AddressPlugin,
  NodesPlugin,
  LikePatternsPlugin,
  InsensitiveFiltersPlugin,
  ListOperatorsPlugin,
  ListFiltersPlugin,
  RelationFiltersPlugin,
  OrderlessPlugin,
  NullsPlugin,
  AggregatesPlugin,
  AggregateOrdersPlugin,
  MoneyPlugin,
  RelatedOrdersPlugin,
  GroupOrdersPlugin,
  CustomFieldsPlugin,
  ExactNumbersPlugin,
  FunctionListsPlugin,
  createSearchPlugin(limits),
  ListSearchPlugin,
  PagesPlugin,
  AsOfPlugin,
  NullabilityPlugin,
  DescriptionsPlugin,
  DocsOrderPlugin,
];

/** The plugins that handle a request, in this order: HTTP, persisted document, limits, execution. */
function pipelineOf(deps: PresetDeps): readonly GraphileConfig.Plugin[] {
  const { graphiqlTokens, persisted } = deps;
  return [
    HttpPlugin,
    RequestsPlugin,
    ...(graphiqlTokens === undefined ? [] : [createGraphiqlPlugin(graphiqlTokens), ExplainPlugin]),
    createPersistedPlugin(persisted),
    ...(persisted.operations === undefined ? [] : [PersistedPlugin]),
    createPageSizesPlugin(deps.limits),
    createLimitsPlugin({ ...deps, turns: deps.turns ?? createTurns(deps.heavy, deps.timeouts) }),
    createSchemaChangesPlugin(connectionsOf(deps.pgService).pool),
    MutationsPlugin,
    IdempotencyPlugin,
  ];
}

/** The plugins that create errors for missing rows and faulty input. */
function errorsOf({ introspection }: PresetDeps): readonly GraphileConfig.Plugin[] {
  return [NotFoundPlugin, createInputErrorsPlugin({ suggests: introspection })];
}

/**
 * Creates the preset of the API: the presets of PostGraphile, the plugins of this server, and the settings
 * of serving.
 */
export function createPreset(deps: PresetDeps): GraphileConfig.Preset {
  const { pool, prepared } = connectionsOf(deps.pgService);
  const withPgClient = createWithPgClient(pool, prepared);
  const transact = createTransact(pool, prepared);
  const reserve = createReserve(pool, prepared);
  const plugins = [...shapeOf(deps.limits), ...pipelineOf(deps), ...errorsOf(deps)];
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PostGraphileConnectionFilterPreset,
      PgAggregatesPreset,
    ],
    plugins: [...plugins, createFactsPlugin(plugins, deps.applicationPlugins ?? [])],
    disablePlugins: [
      // It encodes ids; see `shape/nodes.ts`.
      "NodePlugin",
      // It nests the root query inside itself, for Relay 1.
      "QueryQueryPlugin",
      // Columns without an index can be filtered and sorted by, too: limits bound the scans.
      "PgIndexBehaviorsPlugin",
      // `filter` replaces `condition`.
      "PgConditionArgumentPlugin",
      "PgConditionCustomFieldsPlugin",
    ],
    schema: {
      defaultBehavior: "connection -list",
      // Errors in the schema are raised; PostGraphile would log a warning and leave the type out.
      dontSwallowErrors: true,
      connectionFilterRelations: true,
      connectionFilterAllowEmptyObjectInput: true,
      connectionFilterAllowNullInput: true, // see NullsPlugin
      pgForbidSetofFunctionsToReturnNull: true,
    },
    pgServices: [deps.pgService],
    ruru: graphiqlPage,
    grafast: {
      explain: false,
      timeouts: { planning: deps.timeouts.planning, execution: deps.timeouts.execution },
      context({ node, ws }) {
        const { pgSettings, departure, failure } = node?.req ?? ws?.request ?? {};
        // Set by authentication. Without it, the request would run as the login role.
        if (pgSettings === undefined) throw new UnauthenticatedError();
        if (failure !== undefined) return { pgSettings, ...failing(failure) };
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
      maskError: createMaskError(deps.constraints, deps.logger),
    },
  };
}

/** Returns the settings of persisted operations. */
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

/** Returns what refuses every statement with an error that has been met already. */
function failing(failure: Error): Pick<Grafast.Context, "withPgClient" | "transact" | "reserve"> {
  const refuse = async () => Promise.reject(failure);
  return {
    withPgClient: refuse,
    transact: refuse,
    reserve: async (work) => work(refuse, { done: 0, failures: new Set([failure]) }),
  };
}

/** Returns clients that are released when the client of the request disconnects. */
function withDeparture(lend: ReturnType<typeof createWithPgClient>, departure?: AbortSignal) {
  const withPgClient: WithPgClient = (pgSettings, callback) =>
    lend(pgSettings, callback, departure);
  return withPgClient as unknown as NonNullable<Grafast.Context["withPgClient"]>;
}

function connectionsOf({ adaptorSettings }: PgService) {
  if (adaptorSettings === undefined) throw new Error("The service has no pool");
  return adaptorSettings;
}
