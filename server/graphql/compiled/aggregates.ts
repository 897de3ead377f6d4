import { getNamedType, type GraphQLEnumType } from "graphql";
import type { PgCodec, PgGroupSpec } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { groupOrder } from "../paging/group-orders.ts";
import { applyInput, type Rows } from "./rows.ts";
import {
  argumentsOf,
  compileColumns,
  type Compiler,
  objectOf,
  type SelectedField,
} from "./objects.ts";
import { NotCompiledError } from "./symbols.ts";
import { type Part, valueOf } from "./values.ts";

/** Compiles the aggregates of all rows of a list. */
export function compileAggregates(compiler: Compiler, selected: SelectedField, rows: Rows): Part {
  const { expression, hasJson } = compileGroup(compiler, selected, rows, []);
  return { expression: sql`(${objectOf(expression, rows.clauses())})`, hasJson };
}

/** Compiles the aggregates of each group of rows of a list. */
export function compileGroups(compiler: Compiler, selected: SelectedField, rows: Rows): Part {
  const { schema, groups: most } = compiler;
  const given = argumentsOf(compiler.variables, selected.field, selected.node);
  const groups: PgGroupSpec[] = [];
  const grouped = {
    alias: rows.alias,
    groupBy: (group: PgGroupSpec) => groups.push(group),
  };
  for (const { name, type } of selected.field.args) {
    if (name === "groupBy") applyInput(schema, type, grouped, given[name]);
    else if (given[name] != null) throw new NotCompiledError(`${name} of groups is not compiled`);
  }
  const groupBy = selected.field.args.find(({ name }) => name === "groupBy");
  const byType = groupBy && (getNamedType(groupBy.type) as GraphQLEnumType);
  if (byType === undefined) throw new NotCompiledError("groups without keys are not compiled");
  const { expression, hasJson } = compileGroup(compiler, selected, rows, groups);
  const keys = sql.join(
    groups.map(({ fragment }) => fragment),
    ", ",
  );
  const by = groups.length === 0 ? sql.blank : sql` group by ${keys}`;
  const order = groupOrder(byType, given.groupBy as readonly string[], rows.alias);
  const limited = sql`${rows.clauses()}${by} order by ${order} limit ${sql.literal(most + 1)}`;
  const list = sql.identifier(Symbol("groups"));
  // Too many groups are an error, which Grafast reports. A division by zero is the simplest one. Without
  // `offset 0` the planner would compute the groups twice.
  const all = sql`(select array(${objectOf(expression, limited)}) offset 0)`;
  const isWithin = sql`(cardinality(${list}) <= ${sql.literal(most)})::int`;
  return {
    expression: sql`(
      select case when 1 / ${isWithin} = 1 then array_to_json(${list}) end
      from ${all} as ${sql.identifier(Symbol("all"))} (${list})
    )`,
    hasJson,
  };
}

/** Compiles the fields of a group into columns. */
function compileGroup(
  compiler: Compiler,
  selected: SelectedField,
  { alias }: Rows,
  groups: readonly PgGroupSpec[],
): Part {
  let isGrouped = groups.length > 0;
  const aggregate = (field: SelectedField): Part => {
    isGrouped = true;
    return compileAggregate(field, alias);
  };
  const compiled = compileColumns(compiler, selected, (inner): Part => {
    switch (inner.fact.kind) {
      case "keys":
        return { expression: keysOf(groups), hasJson: false };
      case "operation": {
        const { expression, hasJson } = compileColumns(compiler, inner, aggregate);
        return { expression: sql`(${objectOf(expression, sql.blank)})`, hasJson };
      }
      default:
        return aggregate(inner);
    }
  });
  // Without an aggregate, execution returns as many groups as there are rows, or none.
  if (!isGrouped) throw new NotCompiledError("groups without an aggregate are not compiled");
  return compiled;
}

function keysOf(groups: readonly PgGroupSpec[]): SQL {
  if (groups.length === 0) return sql.null;
  const keys = groups.map(
    ({ fragment, codec, guaranteedNotNull = false }) =>
      codec.castFromPg?.(fragment, guaranteedNotNull) ?? sql`${fragment}::text`,
  );
  return sql`array[${sql.join(keys, ", ")}]`;
}

/** What the plan of an aggregate selects from the rows. */
interface Selection {
  readonly fragment: SQL;
  readonly codec: PgCodec;
}

/** Compiles an aggregate: what its plan selects. */
function compileAggregate({ field, fact, node }: SelectedField, alias: SQL): Part {
  const { plan } = (field.extensions.grafast ?? {}) as {
    plan?: (...args: unknown[]) => unknown;
  };
  if (fact.kind !== "aggregate" || plan === undefined || field.args.length > 0) {
    throw new NotCompiledError(`${node.name.value} is not compiled`);
  }
  const rows = {
    getClassStep: () => ({ alias }),
    select: (fragment: SQL, codec: PgCodec): Selection => ({ fragment, codec }),
  };
  const { fragment, codec } = plan(rows, {}, { field }) as Selection;
  const isCount = field.name === "count";
  return valueOf(fragment, codec, field.type, isCount);
}
