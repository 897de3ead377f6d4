import type { GraphQLArgument, GraphQLSchema } from "graphql";
import { PgCondition, type PgResource, type PgSelectQueryBuilder } from "postgraphile/@dataplan/pg";
import { ApplyInputStep } from "postgraphile/grafast";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { NotCompiledError } from "./symbols.ts";

/** A join of another table, as far as it is compiled. */
interface Joined {
  readonly type: string;
  readonly from: SQL;
  readonly alias: SQL;
  readonly lateral?: boolean;
  readonly conditions?: readonly SQL[];
}

type Condition = Parameters<PgSelectQueryBuilder["where"]>[0];

/** Whether rows are returned, or aggregated. */
export type Mode = "normal" | "aggregate";

/** The rows of a list or of one row, to which conditions, orders and joins are applied. */
export interface Rows extends PgSelectQueryBuilder {
  /** The clauses `from`, `join` and `where`. */
  clauses(): SQL;
  /** Returns the number of orders that were applied. The page has them, too. */
  ordered(): number;
}

interface RowsOptions {
  readonly mode?: Mode;
  readonly args?: readonly FunctionArgument[] | undefined;
}

/** An argument of a function, by its position or its name. */
export type FunctionArgument = { readonly placeholder: SQL } & (
  { readonly position: number } | { readonly name: string }
);

/**
 * Creates rows, with the interface to which the plugins of the API apply filters and orders.
 *
 * @param options.mode `aggregate` for the number of rows, to which no order is applied.
 * @param options.args the arguments of a function that returns the rows.
 */
export function createRows(
  { from: source, name, codec }: PgResource,
  { mode = "normal", args }: RowsOptions = {},
): Rows {
  if (codec.attributes === undefined || (typeof source === "function") !== (args !== undefined)) {
    throw new NotCompiledError(`${name} is no table`);
  }
  const from = typeof source === "function" ? source(...(args ?? [])) : source;
  const alias = sql.identifier(Symbol(name));
  const joins: Joined[] = [];
  const conditions: SQL[] = [];
  const meta: Record<string, unknown> = {};
  let ordered = 0;
  const where = (given: Condition) => {
    const condition = typeof given === "function" ? given(sql as never) : given;
    conditions.push(
      sql.isSQL(condition)
        ? condition
        : condition.callback(sql`${alias}.${sql.identifier(condition.attribute)}`),
    );
  };
  const rows = {
    mode,
    alias,
    where,
    join: (spec: Joined) => joins.push(spec),
    orderBy: () => (ordered += 1),
    ordered: () => ordered,
    setOrderIsUnique: () => undefined,
    setMeta: (key: string, value: unknown) => (meta[key] = value),
    getMetaRaw: (key: string) => meta[key],
    whereBuilder: () => new PgCondition(rows as never),
    clauses: () =>
      sql`from ${from} as ${alias}${sql.join(joins.map(joinOf), "")}${whereOf(conditions)}`,
  };
  for (const method of ["selectAndReturnIndex", "singleRelation", "groupBy", "having"]) {
    Object.assign(rows, { [method]: () => refuse(method) });
  }
  return rows as unknown as Rows;
}

function refuse(what: string): never {
  throw new NotCompiledError(`${what} is not compiled`);
}

function joinOf({ type, from, alias, lateral = false, conditions = [] }: Joined): SQL {
  if (type !== "inner" && type !== "left") return refuse(`a join of the type ${type}`);
  const kind = type === "inner" ? sql` join ` : sql` left join `;
  const on = conditions.length === 0 ? sql.true : allOf(conditions);
  return sql`${kind}${lateral ? sql`lateral ` : sql.blank}${from} as ${alias} on ${on}`;
}

function whereOf(conditions: readonly SQL[]): SQL {
  return conditions.length === 0 ? sql.blank : sql` where ${allOf(conditions)}`;
}

function allOf(conditions: readonly SQL[]): SQL {
  return sql.join(
    conditions.map((condition) => sql.parens(condition)),
    " and ",
  );
}

/** How the plan of an argument makes the target of its value from rows. */
type Target = (rows: unknown, value: unknown) => unknown;

/** Applies the value of an argument, such as a filter, to rows, as the plan of the argument does. */
export function applyArgument(
  schema: GraphQLSchema,
  argument: GraphQLArgument,
  rows: unknown,
  value: unknown,
): void {
  const { applyPlan } = (argument.extensions.grafast ?? {}) as { applyPlan?: unknown };
  if (typeof applyPlan !== "function") refuse(`the argument ${argument.name}`);
  /** The target that the plan gives; the list is empty if it does not apply the value. */
  const targets: (Target | undefined)[] = [];
  // The plan of the argument tells how its value is applied when it runs.
  const list = { getSubplan: () => ({}) };
  const field = {
    apply: (_: unknown, target?: Target) => targets.push(target),
  };
  (applyPlan as (...args: unknown[]) => void)({}, list, field, { schema });
  if (targets.length === 0) refuse(`the argument ${argument.name}`);
  applyInput(schema, argument.type, rows, value, targets[0]);
}

/** Applies a value of an input type to a target, as Grafast does when it executes a plan. */
export function applyInput(
  schema: GraphQLSchema,
  type: GraphQLArgument["type"],
  target: unknown,
  value: unknown,
  getTarget?: Target,
): void {
  // Grafast exports the step, but not the function that it calls.
  const step = { operationPlan: { schema }, inputType: type, getTargetFromParent: getTarget };
  const { unbatchedExecute: execute } = ApplyInputStep.prototype as unknown as {
    unbatchedExecute: (this: unknown, ...args: unknown[]) => (target: unknown) => void;
  };
  execute.call(step, undefined, value, undefined)(target);
}
