import type { GraphQLEnumType } from "graphql";
import {
  listOfCodec,
  loadOneWithPgClient,
  type PgClient,
  type PgResource,
  type PgSelectSingleStep,
  TYPES,
} from "postgraphile/@dataplan/pg";
import { connection, constant, lambda, list, type Step } from "postgraphile/grafast";

import { digestOf, readCursor } from "../paging/cursor.ts";
import type { Limits } from "../limits/limits.ts";

/** The number of hits that a search finds; see `crm_private.search_hits`. */
export const most = 1000;

export const textList = listOfCodec(TYPES.text);

type Text = string | null | undefined;
type Size = number | null | undefined;

/** The query and the entity types of a search. */
type Searched = readonly [query: string, entityTypes: readonly string[] | null | undefined];

/** The part of a step that its type does not offer. */
interface Dependent {
  addDependency(step: Step): number;
  getDep(id: number): Step;
}

/**
 * The query and the entity types of each connection of search in a plan, for its count: dependencies of the
 * connection, because other steps may be replaced before the count is planned.
 */
const searched = new WeakMap<Step, number[]>();

/** Whether the extracts of the hits of a step are selected, which is known once all fields are planned. */
const extracts = new WeakMap<Step, { areSelected: boolean }>();

/**
 * Makes search a connection in the order of the hits, with the query required. The function `crm.search` has
 * arguments of its own for the page, because it creates extracts for the hits that it returns. It creates
 * them only if they are selected.
 */
export function createSearchPlugin({ defaultPageSize }: Limits): GraphileConfig.Plugin {
  return {
    name: "CrmSearchPlugin",
    version: "1.0.0",
    description: "Makes search a connection in its own order, and the query required.",
    // The arguments first and after of the function give way to those of the connection.
    before: ["PgFirstLastBeforeAfterArgsPlugin"],
    schema: {
      entityBehavior: {
        pgResource: {
          override: (behavior, resource: PgResource) =>
            resource.name === "search" ? [behavior, "-order", "-filter"] : behavior,
        },
      },
      hooks: {
        GraphQLObjectType_fields_field_args(args, build, { scope }) {
          if (!isSearchField(scope)) return args;
          const { GraphQLList, GraphQLNonNull, GraphQLString } = build.graphql;
          const entityType = build.getInputTypeByName("EntityType") as GraphQLEnumType;
          return {
            query: { type: new GraphQLNonNull(GraphQLString) },
            entityTypes: { type: new GraphQLList(new GraphQLNonNull(entityType)) },
          };
        },
        GraphQLObjectType_fields_field(field, build, { scope }) {
          const { search } = build.pgResources;
          if (search && scope.isPgConnectionTotalCountField && scope.pgCodec === search.codec) {
            return {
              ...field,
              description: "The number of hits on all pages, at most 1,000.",
              plan($connection: Step) {
                const $open = $connection as unknown as Dependent;
                const steps = searched.get($connection)?.map((id) => $open.getDep(id));
                if (steps === undefined) throw new Error("The connection is none of search");
                return loadOneWithPgClient(
                  search.executor,
                  list(steps) as unknown as Step<Searched>,
                  countHits,
                );
              },
            };
          }
          if (search && scope.pgCodec === search.codec && scope.fieldName === "extract") {
            return {
              ...field,
              plan($hit: PgSelectSingleStep) {
                const selection = extracts.get($hit.getClassStep());
                if (selection === undefined) throw new Error("The hit is none of search");
                selection.areSelected = true;
                return $hit.get("extract");
              },
            };
          }
          if (!isSearchField(scope)) return field;
          const resource = scope.pgFieldResource as PgResource;
          return {
            ...field,
            plan(_$parent, args) {
              const [$query, $entityTypes] = [args.getRaw("query"), args.getRaw("entityTypes")];
              const $first = args.getRaw("first");
              const $last = args.getRaw("last");
              const $offset = args.getRaw("offset");
              const $after = args.getRaw("after");
              const $before = args.getRaw("before");
              const $number = lambda(
                [$first, $last, $offset, $before] as const,
                ([first, last, offset, before]: readonly [Size, Size, Size, Text]) =>
                  last == null && before == null
                    ? // One more says whether there is a next page.
                      Math.min((first ?? defaultPageSize) + (offset ?? 0) + 1, most)
                    : most,
              );
              const $position = lambda(
                [$query, $entityTypes, $after] as const,
                ([query, entityTypes, after]: readonly [...Searched, Text]) =>
                  after == null
                    ? null
                    : readCursor(after, "after", searchDigest([query, entityTypes]), 1)[0],
              );
              const selection = { areSelected: false };
              const $extracts = lambda(constant(null), () => selection.areSelected);
              const $hits = resource.execute([
                { step: $query, pgCodec: TYPES.text, name: "query" },
                { step: $entityTypes, pgCodec: textList, name: "entity_types" },
                { step: $number, pgCodec: TYPES.int, name: "first" },
                { step: $position, pgCodec: TYPES.text, name: "after" },
                { step: $extracts, pgCodec: TYPES.boolean, name: "extracts" },
              ]) as Step;
              extracts.set($hits, selection);
              const $connection = connection($hits as never);
              const $open = $connection as unknown as Dependent;
              searched.set(
                $connection,
                [$query, $entityTypes].map(($step) => $open.addDependency($step)),
              );
              return $connection;
            },
          };
        },
      },
    },
  };
}

/** Returns whether a scope is that of the field `search`. */
export function isSearchField(scope: object): boolean {
  const { isPgFieldConnection, pgFieldResource } = scope as GraphileBuild.ScopeObjectFieldsField;
  return isPgFieldConnection === true && pgFieldResource?.name === "search";
}

/** Returns the digest that cursors of a search contain, so that those of another search are refused. */
export function searchDigest([query, entityTypes]: Searched): string {
  return digestOf(["search", query, ...(entityTypes ?? [])]);
}

/** Returns the number of hits of searches. `crm.search` returns one page only. */
async function countHits(client: PgClient, searches: readonly Searched[]): Promise<number[]> {
  const counts: number[] = [];
  for (const [query, entityTypes] of searches) {
    const { rows } = await client.query<{ total: number }>({
      text: "select total from crm_private.search_hits($1::text, $2::text[], 1, null, false)",
      values: [query, entityTypes ?? null],
    });
    counts.push(rows[0]?.total ?? 0);
  }
  return counts;
}
