import { ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";
import type { Relation } from "../model/tables.ts";
import { createFaults, membersOf } from "./faults.ts";
import { conditionOf, type Filter, joinOf } from "./filters.ts";
import {
  type ListableName,
  type ListableRows,
  type RelatedName,
  type RelationName,
  tableOf,
} from "./listable.ts";
import { type OrderBy, orderingsOf } from "./orders.ts";
import { maxRows, refuseTooMany } from "./pages.ts";
import { type Draft, rowJson } from "./sql.ts";

/**
 * The related rows to read together with rows, in the same statement:
 *
 * ```ts
 * const contact = await contacts.findById(id, {
 *   with: { company: true, deals: { orderBy: { value: "desc" }, first: 3, with: { tasks: true } } },
 * });
 * ```
 */
export type With<Name extends ListableName> = {
  readonly [Related in RelationName<Name, "one" | "oneOrNone">]?:
    true | { readonly with?: With<RelatedName<Name, Related>> } | undefined;
} & {
  readonly [Related in RelationName<Name, "many">]?:
    true | RelatedList<RelatedName<Name, Related>> | undefined;
};

/** The related rows of each row. */
export interface RelatedList<Name extends ListableName> {
  readonly filter?: Filter<Name> | undefined;
  readonly orderBy?: OrderBy<Name> | undefined;
  /** The number of rows of each list, from 0 to 1000. Lists of more than 1000 rows require it. */
  readonly first?: number | undefined;
  readonly with?: With<Name> | undefined;
}

/** A row with the related rows that were read with it. */
export type Loaded<Name extends ListableName, Loads> = ListableRows[Name] & {
  -readonly [
    Related in keyof Loads & RelationName<Name> as Loads[Related] extends undefined
      ? never
      : Related
  ]: Related extends RelationName<Name, "many">
    ? Loaded<RelatedName<Name, Related>, NestedLoads<Loads[Related]>>[]
    : Related extends RelationName<Name, "oneOrNone">
      ? Loaded<RelatedName<Name, Related>, NestedLoads<Loads[Related]>> | null
      : Loaded<RelatedName<Name, Related>, NestedLoads<Loads[Related]>>;
};

type NestedLoads<Load> = Load extends { readonly with: infer Loads } ? Loads : undefined;

/** Refuses members that are no relation, which an inferred type would accept. */
export type Known<Name extends ListableName, Loads> = Readonly<
  Record<Exclude<keyof Loads, RelationName<Name>>, never>
>;

/**
 * Returns the SQL expression of a row with its related rows, as JSON. Each list is found by the index of its
 * foreign key.
 *
 * @param name what is listed, with the alias in the statement.
 * @throws {ValidationError} with the paths of members that are no relation, and of faulty options.
 */
export function loadedJson(
  draft: Draft,
  name: string,
  alias: string,
  loads: unknown,
  path: readonly string[] = ["with"],
): string {
  const table = tableOf(name);
  const members = readLoads(name, loads, path).map(
    ({ name: related, relation, options, path }) =>
      `'${related}', ${
        relation.kind === "many"
          ? manyJson(draft, relation, alias, options, path)
          : oneJson(draft, relation, alias, options, path)
      }`,
  );
  return rowJson(table, alias, members);
}

interface Load {
  readonly name: string;
  readonly relation: Relation;
  readonly options: Readonly<Record<string, unknown>>;
  readonly path: readonly string[];
}

function readLoads(name: string, loads: unknown, path: readonly string[]): Load[] {
  const { relations } = tableOf(name);
  const faults = createFaults();
  const read = membersOf(loads, path, faults).flatMap(([related, given]) => {
    const at = [...path, related];
    const relation = Object.hasOwn(relations, related) ? relations[related] : undefined;
    if (relation === undefined) {
      faults.add(at, "is not a relation");
      return [];
    }
    const options = given === true ? {} : Object.fromEntries(membersOf(given, at, faults));
    const known = relation.kind === "many" ? ["filter", "orderBy", "first", "with"] : ["with"];
    for (const option of Object.keys(options)) {
      if (!known.includes(option)) faults.add([...at, option], "is not an option of this relation");
    }
    const { first } = options;
    if (first !== undefined && !(Number.isInteger(first) && isWithin(first as number))) {
      faults.add([...at, "first"], `must be a whole number from 0 to ${maxRows}`);
    }
    return [{ name: related, relation, options, path: at }];
  });
  faults.refuse("The relations are not valid");
  return read;
}

function isWithin(first: number): boolean {
  return first >= 0 && first <= maxRows;
}

function oneJson(
  draft: Draft,
  relation: Relation,
  alias: string,
  options: Load["options"],
  path: readonly string[],
): string {
  const related = draft.alias();
  return `(
    select ${loadedJson(draft, relation.entity, related, options.with, [...path, "with"])}
    from ${tableOf(relation.entity).name} as ${related}
    where ${joinOf(relation, alias, related)}
  )`;
}

function manyJson(
  draft: Draft,
  relation: Relation,
  alias: string,
  options: Load["options"],
  path: readonly string[],
): string {
  const { entity } = relation;
  const [related, listed] = [draft.alias(), draft.alias()];
  const { orderings, joins } = within(path, () =>
    orderingsOf(draft, entity, related, options.orderBy),
  );
  const condition = within([...path, "filter"], () =>
    conditionOf(draft, entity, related, options.filter),
  );
  const row = loadedJson(draft, entity, related, options.with, [...path, "with"]);
  const first = (options.first as number | undefined) ?? maxRows + 1;
  return `(
    select coalesce(json_agg(${listed}.row), '[]')
    from (
      select ${row} as row
      from ${tableOf(entity).name} as ${related}
      ${joins.join("\n")}
      where ${joinOf(relation, alias, related)} and ${condition ?? "true"}
      order by ${orderings.map(({ sql, direction }) => `${sql} ${direction}`).join(", ")}
      limit ${draft.bind(first, "bigint")}
    ) as ${listed}
  )`;
}

/** Adds the path of a member to the fields of an error. */
function within<Result>(path: readonly string[], read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    const fields = Object.fromEntries(
      Object.entries(error.fields).map(([field, messages]) => [
        [...path, field].join("."),
        messages,
      ]),
    );
    throw new ValidationError(sentence(fields, error.message), fields);
  }
}

/**
 * Refuses related lists that were read without a size and are too long.
 *
 * @throws {ValidationError} with the path of the relation.
 */
export function refuseTooManyRelated(
  name: string,
  rows: readonly unknown[],
  loads: unknown,
  path: readonly string[] = ["with"],
): void {
  for (const { name: related, relation, options, path: at } of readLoads(name, loads, path)) {
    const lists = rows.map((row) => (row as Record<string, unknown>)[related]);
    if (relation.kind === "many") {
      for (const list of lists) refuseTooMany(list as unknown[], [...at, "first"].join("."));
    }
    const nested = lists.flat().filter((row) => row !== null);
    refuseTooManyRelated(relation.entity, nested, options.with, [...at, "with"]);
  }
}
