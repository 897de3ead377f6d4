import type { GraphQLField, GraphQLObjectType } from "graphql";
import type { PgCodec, PgCodecWithAttributes, PgResource } from "postgraphile/@dataplan/pg";

import type { Relation } from "../paging/relations.ts";
import { isSearchField } from "../search/hits.ts";

/** What a field of an object type is to the database. */
export type Fact =
  /** A column of the row. */
  | { readonly kind: "column"; readonly name: string; readonly codec: PgCodecWithAttributes }
  /** The result of a function of the row. */
  | { readonly kind: "function"; readonly resource: PgResource }
  /** The one row of another table that the row refers to. */
  | { readonly kind: "reference"; readonly relation: Relation }
  /** The rows of another table that refer to the row. */
  | { readonly kind: "relation"; readonly relation: Relation }
  /** The rows that a function of the row returns. */
  | { readonly kind: "functionRows"; readonly resource: PgResource }
  /** The hits of a search. */
  | { readonly kind: "search"; readonly resource: PgResource }
  /** All rows of a table. */
  | { readonly kind: "table"; readonly resource: PgResource }
  /** The row of a table with a key, whose columns are arguments. */
  | { readonly kind: "row"; readonly resource: PgResource; readonly key: readonly Key[] }
  /** A part of a page: its rows, its edges, its place in the list, or the number of rows of the list. */
  | { readonly kind: "nodes" | "edges" | "pageInfo" | "totalCount" }
  /** The aggregates of all rows of a list, or of each group of them. */
  | { readonly kind: "aggregates" | "groupedAggregates" }
  /** The keys of a group; an aggregate; or all aggregates of one operation, such as sums. */
  | { readonly kind: "keys" | "aggregate" | "operation" }
  /** A field of the place of a page in its list. */
  | { readonly kind: "place" }
  /** The cursor of an edge, or its row. */
  | { readonly kind: "cursor" | "node" }
  /** A mutation of one row. */
  | { readonly kind: "create" | "update"; readonly resource: PgResource }
  /** A mutation by a function of the database. */
  | {
      readonly kind: "call";
      readonly resource: PgResource;
      readonly parameters: readonly Parameter[];
    }
  /** The row that a mutation has written, or that its function returns. */
  | { readonly kind: "written" };

/** A column of a key, and the argument with its value. */
interface Key {
  readonly column: string;
  readonly argument: string;
}

/** A parameter of a function, and the member of the input with its value. */
interface Parameter {
  readonly name: string | null;
  readonly member: string;
  readonly codec: PgCodec;
}

/** The extension of a field that has a {@link Fact}. */
const factsMark = "crmFact";

/** A fact, and the plan that the field had when it was recorded. */
interface Recorded {
  readonly fact: Fact;
  readonly plan: unknown;
}

/**
 * Returns what a field is to the database; undefined if the compiler does not know, or if a plugin of the
 * application has changed how the field is executed.
 */
export function factOf({ extensions }: GraphQLField<unknown, unknown>): Fact | undefined {
  const { [factsMark]: recorded, grafast } = extensions as {
    readonly [factsMark]?: Recorded;
    readonly grafast?: { readonly plan?: unknown };
  };
  return recorded?.plan === grafast?.plan ? recorded?.fact : undefined;
}

/**
 * Records what the fields of the API are to the database, while the schema is built. Only then the library
 * knows it; the finished schema has plans, which are functions.
 *
 * @param after the plugins whose plans the compiler knows: all of this server.
 * @param before the plugins of the application. A plan that one of them changes is not the recorded one.
 */
export function createFactsPlugin(
  after: readonly GraphileConfig.Plugin[],
  before: readonly GraphileConfig.Plugin[],
): GraphileConfig.Plugin {
  return {
    name: "CrmFactsPlugin",
    version: "1.0.0",
    description: "Records what fields are to the database, for compiled operations.",
    after: after.map(({ name }) => name),
    before: before.map(({ name }) => name),
    schema: {
      hooks: {
        GraphQLObjectType_fields_field(field, build, { scope, Self }) {
          const fact = read(scope, build, Self);
          if (fact === undefined) return field;
          const recorded: Recorded = { fact, plan: field.plan };
          return { ...field, extensions: { ...field.extensions, [factsMark]: recorded } };
        },
      },
    },
  };
}

type Scope = GraphileBuild.ScopeObjectFieldsField;

function read(scope: Scope, build: GraphileBuild.Build, Self: GraphQLObjectType): Fact | undefined {
  const { fieldName, pgFieldAttribute, pgRelationDetails } = scope;
  const resource = scope.pgFieldResource as PgResource | undefined;
  const codec = scope.pgCodec as PgCodecWithAttributes | undefined;
  if (pgFieldAttribute !== undefined && codec !== undefined) {
    const name = Object.keys(codec.attributes).find(
      (column) => codec.attributes[column] === pgFieldAttribute,
    );
    return name === undefined ? undefined : { kind: "column", name, codec };
  }
  if (pgRelationDetails !== undefined) {
    const { registry, codec: local, relationName } = pgRelationDetails;
    const relation = registry.pgRelations[String(local.name)]?.[relationName] as unknown as
      Relation | undefined;
    if (relation === undefined || scope.isMutationPayload) return undefined;
    if (scope.isPgSingleRelationField) return { kind: "reference", relation };
    return scope.isPgManyRelationConnectionField ? { kind: "relation", relation } : undefined;
  }
  if (scope.isRootQuery) return ofQuery(scope, build, resource);
  if (Self.name === "PageInfo") return { kind: "place" };
  if (scope.isConnectionType) return ofConnection(scope);
  if (scope.isPgAggregateContainerType) {
    if (scope.isPgAggregateField) return { kind: "operation" };
    return { kind: fieldName === "keys" ? "keys" : "aggregate" };
  }
  if (scope.isPgAggregateType) return { kind: "aggregate" };
  if (scope.isConnectionEdgeType) {
    return fieldName === "cursor" || fieldName === "node" ? { kind: fieldName } : undefined;
  }
  if (scope.isRootMutation) {
    if (resource === undefined) return ofFunctionMutation(fieldName, build);
    if (scope.isPgCreateMutation) return { kind: "create", resource };
    return scope.isPgUpdateMutation ? { kind: "update", resource } : undefined;
  }
  if (scope.isMutationPayload) {
    const written = (scope.pgTypeResource ?? undefined) as PgResource | undefined;
    if (written?.parameters !== undefined) return ofResult(fieldName, written, build);
    const name = written && build.inflection.tableFieldName(written);
    return name === fieldName && !Self.name.startsWith("Delete") ? { kind: "written" } : undefined;
  }
  if (!scope.isPgClassType || codec === undefined) return undefined;
  if (resource === undefined) return ofFunction(fieldName, codec, build);
  const isList = scope.isPgFieldConnection && resource.parameters?.[0]?.codec === codec;
  return isList ? { kind: "functionRows", resource } : undefined;
}

function ofQuery(
  scope: Scope,
  build: GraphileBuild.Build,
  resource: PgResource | undefined,
): Fact | undefined {
  if (isSearchField(scope) && resource !== undefined) return { kind: "search", resource };
  if (resource === undefined || resource.parameters !== undefined) return undefined;
  if (scope.isPgRowByUniqueConstraintField) {
    const unique = scope.pgFieldResourceUnique;
    const key = unique?.attributes.map((column) => ({
      column,
      argument: build.inflection.attribute({
        attributeName: column,
        codec: resource.codec as never,
      }),
    }));
    return key && { kind: "row", resource, key };
  }
  return scope.isPgFieldConnection ? { kind: "table", resource } : undefined;
}

function ofConnection({ fieldName, isPgConnectionTotalCountField }: Scope): Fact | undefined {
  if (isPgConnectionTotalCountField) return { kind: "totalCount" };
  return isPartOfConnection(fieldName) ? { kind: fieldName } : undefined;
}

/** Finds the function that a mutation calls, if it returns one row. */
function ofFunctionMutation(fieldName: string, build: GraphileBuild.Build): Fact | undefined {
  const { inflection } = build;
  const resource = (Object.values(build.pgResources) as PgResource[]).find(
    (candidate) =>
      candidate.isMutation &&
      candidate.isUnique &&
      candidate.codec.attributes !== undefined &&
      inflection.customMutationField({ resource: candidate as never }) === fieldName,
  );
  if (resource?.parameters === undefined) return undefined;
  const parameters = resource.parameters.map((param, index) => ({
    name: param.name,
    member: inflection.argument({ param, resource: resource as never, index }),
    codec: param.codec,
  }));
  return { kind: "call", resource, parameters };
}

/** The row in the payload of a mutation by a function; its type has the name of the codec. */
function ofResult(
  fieldName: string,
  resource: PgResource,
  { inflection }: GraphileBuild.Build,
): Fact | undefined {
  const { codec } = resource;
  if (codec.attributes === undefined || !resource.isUnique) return undefined;
  const returnGraphQLTypeName = inflection.tableType(codec as PgCodecWithAttributes);
  const name = inflection.functionMutationResultFieldName({
    resource: resource as never,
    returnGraphQLTypeName,
  });
  return name === fieldName ? { kind: "written" } : undefined;
}

const partsOfConnection = [
  "nodes",
  "edges",
  "pageInfo",
  "aggregates",
  "groupedAggregates",
] as const;

function isPartOfConnection(name: string): name is (typeof partsOfConnection)[number] {
  return partsOfConnection.some((part) => part === name);
}

/** Finds the function whose only argument is the row, and whose result is a value. */
function ofFunction(
  fieldName: string,
  codec: PgCodecWithAttributes,
  build: GraphileBuild.Build,
): Fact | undefined {
  const resources = Object.values(build.pgResources) as PgResource[];
  const resource = resources.find(
    ({ parameters, isUnique, codec: result, ...other }) =>
      parameters?.length === 1 &&
      parameters[0]?.codec === codec &&
      isUnique &&
      result.attributes === undefined &&
      build.inflection.computedAttributeField({
        resource: { parameters, isUnique, codec: result, ...other } as never,
      }) === fieldName,
  );
  return resource && { kind: "function", resource };
}
