import { getNamedType, type GraphQLEnumType } from "graphql";
import {
  version,
  type PgCodec,
  type PgCodecWithAttributes,
  type PgOrderSpec,
  type PgResource,
  type PgSelectQueryBuilder,
  type PgSelectStep,
} from "postgraphile/@dataplan/pg";
import {
  constant,
  lambda,
  type ConnectionStep,
  type FieldArg,
  type FieldArgs,
  type Step,
} from "postgraphile/grafast";
import { sql, type SQL } from "postgraphile/pg-sql2";

import {
  beyond,
  cursorCodec,
  decode,
  digestOf,
  invalidCursor,
  readCursor,
  type Order,
  type Side,
} from "./cursor.ts";
import { createMoment, untilNow, type Moment, type OrderedRows } from "./moment.ts";
import { rankOf } from "./ranks.ts";
import { ValidationError } from "../../errors/classes.ts";
import { searchDigest } from "../search/hits.ts";
import { isSearch, joinHits, relevance, searchedTypeOf } from "../search/searched.ts";
import { defaultOrder } from "../shape/default-order.ts";

/** The version of `@dataplan/pg` whose query builder and cursors this plugin replaces. */
const writtenFor = "1.1.2";

/**
 * Finds the page of a list by the values of the row before it, for every order, so that consecutive pages
 * contain each row once. The pagination of the library loses rows if values are null, if an expression may
 * be null without being declared so, if a value changes on its way through a cursor, and because it takes
 * the first column of a composite unique key for a unique one. None of it is used: this plugin applies the
 * orders and cursors of a list together, and always orders by the primary key last.
 */
export const PagesPlugin: GraphileConfig.Plugin = {
  name: "CrmPagesPlugin",
  version: "1.0.0",
  description: "Pages through lists so that each row is returned once, in every order.",
  after: ["PgConnectionArgOrderByPlugin", "PgFirstLastBeforeAfterArgsPlugin"],
  schema: {
    hooks: {
      build(build) {
        const installed: string = version;
        if (installed !== writtenFor) {
          throw new Error(
            `Pagination requires @dataplan/pg ${writtenFor}, but ${installed} is installed: rows ` +
              `could be lost. Run npm install @dataplan/pg@${writtenFor}`,
          );
        }
        return build;
      },

      // The plan of the field applies these arguments together.
      GraphQLObjectType_fields_field_args(args, _build, { scope }) {
        const { orderBy, after, before } = args;
        if (!scope.isPgFieldConnection) return args;
        if (!isOrdered(scope.pgFieldResource as PgResource | undefined)) {
          return {
            ...args,
            ...(after && { after: { ...after, applyPlan: applyChecked("after") } }),
            ...(before && { before: { ...before, applyPlan: applyChecked("before") } }),
          };
        }
        return {
          ...args,
          ...(orderBy && { orderBy: { ...orderBy, applyPlan: undefined } }),
          ...(after && { after: { ...after, applyPlan: undefined } }),
          ...(before && { before: { ...before, applyPlan: undefined } }),
        };
      },

      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { plan } = field;
        const { isPgFieldConnection, isPgMutationPayloadEdgeField: isEdge } = scope;
        if (plan === undefined || !(isPgFieldConnection || isEdge)) return field;
        const resource = (
          isEdge
            ? build.pgTableResource(scope.pgCodec as PgCodecWithAttributes)
            : scope.pgFieldResource
        ) as PgResource;
        let page: Page | undefined;
        return {
          ...field,
          plan($parent, fieldArgs, info) {
            if (!isOrdered(resource)) return plan($parent, fieldArgs, info) as Step;
            const argument = (name: string) => info.field.args.find((arg) => arg.name === name);
            const raw = (name: string) =>
              argument(name) ? fieldArgs.getRaw(name) : constant(undefined);
            const orderBy = argument("orderBy");
            page ??= createPage(
              resource,
              orderBy && (getNamedType(orderBy.type) as GraphQLEnumType),
            );
            const $orderBy = raw("orderBy");
            if (isEdge) {
              // A list of one row: the order only determines its cursor.
              const $edge = lambda([$orderBy], page);
              const apply = ($rows: PgSelectStep) => $rows.apply($edge);
              return plan($parent, { ...fieldArgs, apply } as FieldArgs, info) as Step;
            }
            const $connection = plan($parent, fieldArgs, info) as ConnectionStep<unknown>;
            const $rows = $connection.getSubplan() as PgSelectStep;
            const $args = ["after", "before", "search", "query", "entityTypes"].map(raw);
            $rows.apply(lambda([$orderBy, ...$args], page as never));
            return $connection;
          },
        };
      },
    },
  },
};

type Cursor = string | null | undefined;

/** Returns whether the rows of a list have a key, so that this plugin can page through them. */
export function isOrdered(resource: PgResource | undefined): resource is PgResource {
  return resource !== undefined && resource.uniques.length > 0;
}

/** The orders of a page, and the digest by which its cursors are recognised. */
export interface Ordered {
  readonly orders: readonly Order[];
  readonly digest: string;
}

/**
 * Applies the search, the orders and the cursors of a page to a list. Returns nothing if the rows are
 * aggregated, so that they have no order.
 */
export type Page = (
  args: readonly [
    orderBy: readonly string[] | null | undefined,
    after?: Cursor,
    before?: Cursor,
    search?: string | null,
    query?: string,
    entityTypes?: readonly string[] | null,
  ],
) => (rows: PgSelectQueryBuilder) => Ordered | undefined;

/**
 * Creates what applies the arguments of a page to a list.
 *
 * @param orderByType the type of the argument `orderBy`; undefined if there is none.
 */
export function createPage(resource: PgResource, orderByType: GraphQLEnumType | undefined): Page {
  const { uniques } = resource;
  const unique = uniques.find(({ isPrimary }) => isPrimary) ?? uniques[0];
  if (unique === undefined) throw new Error(`${resource.name} has no unique key`);
  const key = unique.attributes;
  const entityType = searchedTypeOf(resource);
  const defaults = orderByType ? defaultOrder(resource, orderByType) : [];

  return ([orderBy, after, before, search, query, entityTypes]) =>
    (rows) => {
      const hits =
        entityType !== undefined && isSearch(search)
          ? joinHits(rows, entityType, search)
          : undefined;
      if (rows.mode === "aggregate") return undefined;
      const given = hits ? [relevance] : defaults;
      // Without a search, RELEVANCE is no order.
      const known = orderBy?.filter((name) => hits !== undefined || name !== relevance) ?? [];
      const names = known.length === 0 ? given : known;
      const moment = createMoment(after ?? before);
      const orders = ordersOf(rows, resource, orderByType, names, key, moment, hits);
      const digest =
        query === undefined
          ? digestOf([
              resource.codec.name,
              ...names,
              ...(names.includes(relevance) ? [String(search)] : []),
            ])
          : searchDigest([query, entityTypes]);
      orders.forEach(({ fragment, codec, direction, nulls, nullable }, i) => {
        const inCursor = cursorCodec(codec, i === 0 ? digest : undefined);
        rows.orderBy({ fragment, codec: inCursor, direction, nulls, nullable });
      });
      rows.setOrderIsUnique();
      for (const [side, cursor] of Object.entries({ after, before }) as [Side, Cursor][]) {
        if (cursor == null) continue;
        rows.where(beyond(orders, readCursor(cursor, side, digest, orders.length), side));
      }
      return { orders, digest };
    };
}

/** The interface to which orders, of the library and of this server, are applied. */
type LibraryRows = OrderedRows & Pick<PgSelectQueryBuilder, "setOrderIsUnique">;

/** Returns the orders that a client names, and those by the primary key, which make the order total. */
function ordersOf(
  rows: PgSelectQueryBuilder,
  resource: PgResource,
  orderByType: GraphQLEnumType | undefined,
  names: readonly string[],
  key: readonly string[],
  moment: Moment,
  hits: SQL | undefined,
): Order[] {
  const orders: Order[] = [];
  const known = new Set<string>();
  const joins = new Map<string, SQL>();
  const ordered: LibraryRows = {
    alias: rows.alias,
    now: () => moment.now(),
    hits() {
      if (hits !== undefined) return hits;
      const expectation = `${relevance} requires search`;
      throw new ValidationError(`orderBy: ${expectation}`, { orderBy: [expectation] });
    },
    joined(name, { type, from, lateral = false, condition }) {
      const known = joins.get(name);
      if (known !== undefined) return known;
      const alias = sql.identifier(Symbol(name));
      rows.join({ type, from, lateral, alias, conditions: condition ? [condition(alias)] : [] });
      joins.set(name, alias);
      return alias;
    },
    orderBy: (spec) =>
      add(typeof spec === "function" ? spec(sql as unknown as Parameters<typeof spec>[0]) : spec),
    // The library also calls it for columns that are only part of a unique key.
    setOrderIsUnique: () => undefined,
  };
  const add = (spec: PgOrderSpec) => {
    if (spec.attribute !== undefined) known.add(spec.attribute);
    orders.push(orderOf(ordered, resource, spec));
  };
  for (const name of names) {
    const { extensions } = orderByType?.getValue(name) ?? {};
    extensions?.grafast?.apply?.(ordered, undefined as never);
  }
  const direction = orders[0]?.direction ?? "ASC";
  for (const attribute of key) if (!known.has(attribute)) add({ attribute, direction });
  return moment.isUsed() ? [moment.order, ...orders] : orders;
}

function orderOf(rows: OrderedRows, resource: PgResource, spec: PgOrderSpec): Order {
  const { direction } = spec;
  // The default of PostgreSQL.
  const nulls = spec.nulls ?? (direction === "ASC" ? "LAST" : "FIRST");
  if (spec.attribute === undefined) {
    const { fragment, nullable = true } = spec;
    const codec = spec.codec as PgCodec;
    return { fragment, codec, direction, nulls, nullable };
  }
  const attribute = resource.codec.attributes?.[spec.attribute];
  if (attribute === undefined) throw new Error(`There is no attribute ${spec.attribute}`);
  const rank = rankOf(resource, spec.attribute);
  if (rank !== undefined) {
    const { codec, nullable } = rank;
    return { fragment: rank.inRows(rows), codec, direction, nulls, nullable };
  }
  const lasted = untilNow(attribute);
  const column = sql`${rows.alias}.${sql.identifier(spec.attribute)}`;
  const fragment = lasted === undefined ? column : lasted(rows.alias, rows.now());
  const { codec } = attribute;
  const nullable = !attribute.notNull && !codec.notNull;
  return { fragment, codec, direction, nulls, nullable };
}

/** Refuses an invalid cursor of a list without orders, before the library reads it. */
function applyChecked(side: Side) {
  return (_: Step, $connection: ConnectionStep<unknown>, input: FieldArg): void => {
    const $cursor = lambda(input.getRaw(), (cursor: Cursor) => {
      if (cursor != null && !isNatural(decode(cursor))) throw invalidCursor(side);
      return cursor;
    });
    if (side === "after") $connection.setAfter($cursor);
    else $connection.setBefore($cursor);
  };
}

/** Returns whether a cursor is the number of a row, as in lists that a function returns. */
function isNatural([kind, row, ...rest]: unknown[] = []): boolean {
  return kind === "natural" && Number.isSafeInteger(row) && Number(row) > 0 && rest.length === 0;
}
