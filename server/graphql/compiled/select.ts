import type { FieldNode, SelectionSetNode } from "graphql";
import { type PgResource, sqlValueWithCodec } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { isRelated } from "../paging/relations.ts";
import { most, textList } from "../search/hits.ts";
import { compileAggregates, compileGroups } from "./aggregates.ts";
import { cursorOf, type List, orderAndLimit, readList } from "./lists.ts";
import {
  argumentsOf,
  compileColumn,
  compileColumns,
  type Compiler,
  compileReference,
  objectOf,
  refuse,
  type Selected,
  type SelectedField,
} from "./objects.ts";
import { createRows, type Rows } from "./rows.ts";
import { NotCompiledError } from "./symbols.ts";
import { type Part, valueOf } from "./values.ts";

/** Compiles the fields of the query. */
export function compileQuery(compiler: Compiler, selectionSet: SelectionSetNode): Part {
  const type = compiler.schema.getQueryType();
  if (!type) throw new NotCompiledError("there is no query");
  const root = { type, nodes: [{ selectionSet } as FieldNode] };
  const { expression, hasJson } = compileColumns(compiler, root, (selected) => {
    const { field, fact, node } = selected;
    if (fact.kind === "table") {
      const list = readList(compiler, fact.resource, selected, 0);
      return compileList(compiler, selected, list, 0);
    }
    if (fact.kind === "search") return compileSearch(compiler, selected, fact.resource);
    if (fact.kind !== "row") return refuse(selected);
    const given = argumentsOf(compiler.variables, field, node);
    const rows = createRows(fact.resource);
    for (const { column, argument } of fact.key) {
      const codec = fact.resource.codec.attributes?.[column]?.codec;
      if (codec === undefined) return refuse(selected);
      const value = sqlValueWithCodec(given[argument], codec);
      rows.where(sql`${rows.alias}.${sql.identifier(column)} = ${value}`);
    }
    return compileOne(compiler, selected, rows, 0);
  });
  return { expression: objectOf(expression, sql.blank), hasJson };
}

/** Compiles the first page of a search. */
function compileSearch(compiler: Compiler, selected: SelectedField, resource: PgResource): Part {
  const { variables, pageSize, selects } = compiler;
  const given = argumentsOf(variables, selected.field, selected.node);
  const { query, entityTypes, first = null, ...others } = given;
  if (Object.values(others).some((value) => value != null)) return refuse(selected);
  const types = entityTypes == null ? null : textList.toPg(entityTypes as string[]);
  const size = Math.min(Number(first ?? pageSize(0)) + 1, most); // one more says whether there is a next page
  const args = [
    { name: "query", placeholder: sql`${sql.value(query as string)}::text` },
    { name: "entity_types", placeholder: sql`${sql.value(types)}::text[]` },
    { name: "first", placeholder: sql.literal(size) },
    { name: "after", placeholder: sql.null },
    { name: "extracts", placeholder: selects("extract") ? sql.true : sql.false },
  ];
  const list = readList(compiler, resource, selected, 0, { args });
  // The function returns one page, so another one counts the hits.
  return compileList(compiler, selected, { ...list, whole: () => refuse(selected) }, 0);
}

/** Compiles the selection of one row, which may be missing. */
function compileOne(compiler: Compiler, selected: Selected, rows: Rows, lists: number): Part {
  const { expression, hasJson } = compileRow(compiler, selected, rows.alias, lists);
  return { expression: sql`(${objectOf(expression, rows.clauses())})`, hasJson };
}

/** Compiles the selection of a row into columns. */
export function compileRow(
  compiler: Compiler,
  selected: Selected,
  alias: SQL,
  lists: number,
): Part {
  return compileColumns(compiler, selected, (inner) => compileField(compiler, inner, alias, lists));
}

function compileField(
  compiler: Compiler,
  selected: SelectedField,
  alias: SQL,
  lists: number,
): Part {
  const { fact } = selected;
  switch (fact.kind) {
    case "column":
      return compileColumn(selected, fact, alias);
    case "function":
      return compileFunction(selected, fact.resource, alias);
    case "reference":
      return compileReference(compiler, selected, fact.relation, alias, (inner, row) =>
        compileField(compiler, inner, row, lists),
      );
    case "relation": {
      const { relation } = fact;
      const limit = (rows: Rows) => rows.where(isRelated(relation, alias, rows.alias));
      const list = readList(compiler, relation.remoteResource, selected, lists, { limit });
      return compileList(compiler, selected, list, lists);
    }
    case "functionRows": {
      const list = readList(compiler, fact.resource, selected, lists, {
        args: [{ placeholder: alias, position: 0 }],
      });
      return compileList(compiler, selected, list, lists);
    }
    default:
      return refuse(selected);
  }
}

function compileFunction(
  selected: SelectedField,
  { from, codec, extensions }: PgResource,
  alias: SQL,
): Part {
  if (typeof from !== "function" || selected.field.args.length > 0) return refuse(selected);
  const isNotNull = extensions?.tags?.notNull !== undefined;
  // The function of a custom field may be replaced by one of another type before the schema is.
  const result = sql`${from({ placeholder: alias })}::${codec.sqlType}`;
  return valueOf(result, codec, selected.field.type, isNotNull);
}

/** What the response needs of a page besides its rows. */
interface Needs {
  more: boolean;
  cursors: boolean;
}

/**
 * Compiles the selection of a list: rows, edges, place and number.
 *
 * The rows are numbered, then aggregated, and the object is made from the aggregates. A list of which only
 * rows are selected needs no numbers.
 */
function compileList(
  compiler: Compiler,
  selected: Selected,
  { page, whole }: List,
  lists: number,
): Part {
  const needs: Needs = { more: false, cursors: false };
  /** The columns of rows and edges. */
  const shown: SQL[] = [];
  let hasJson = false;
  const part = (expression: SQL): Part => ({ expression, hasJson: false });
  const show = (columns: SQL) => part(nameOf("shown", shown.push(columns) - 1));
  const rowOf = (inner: Selected) => {
    const row = compileRow(compiler, inner, page.rows.alias, lists + 1);
    hasJson ||= row.hasJson;
    return row.expression;
  };

  const { expression } = compileColumns(compiler, selected, (inner): Part => {
    switch (inner.fact.kind) {
      case "nodes":
        return show(rowOf(inner));
      case "edges":
        return show(
          compileColumns(compiler, inner, (ofEdge) => {
            if (ofEdge.fact.kind === "cursor") return part(cursorOf(page));
            if (ofEdge.fact.kind !== "node") return refuse(ofEdge);
            return part(sql`(${objectOf(rowOf(ofEdge), sql.blank)})`);
          }).expression,
        );
      case "aggregates": {
        const aggregates = compileAggregates(compiler, inner, whole());
        hasJson ||= aggregates.hasJson;
        return aggregates;
      }
      case "groupedAggregates": {
        const groups = compileGroups(compiler, inner, whole());
        hasJson ||= groups.hasJson;
        return groups;
      }
      case "totalCount":
        return part(sql`(select count(*) ${whole().clauses()})`);
      case "pageInfo":
        return part(sql`(${objectOf(compilePageInfo(compiler, inner, page, needs), sql.blank)})`);
      default:
        return refuse(inner);
    }
  });
  return { expression: sql`(${objectOf(expression, fromPage(page, shown, needs))})`, hasJson };
}

function nameOf(kind: string, i: number): SQL {
  return sql.identifier(`${kind}${i}`);
}

const more = sql.identifier("more");
const startCursor = sql.identifier("start_cursor");
const endCursor = sql.identifier("end_cursor");

/** Returns the clause `from` with the aggregates of a page. */
function fromPage(page: List["page"], shown: readonly SQL[], needs: Needs): SQL {
  const { rows, size, isLast } = page;
  const aggregates = sql.identifier(Symbol("page"));
  const [only, ...others] = shown;
  if (only === undefined && needs.cursors) {
    // Grafast returns null for cursors of a page of which neither rows nor edges are selected.
    throw new NotCompiledError("cursors of a page without rows are not compiled");
  }
  if (only === undefined && !needs.more) return sql.blank;
  if (only !== undefined && others.length === 0 && !needs.more && !needs.cursors && !isLast) {
    const listed = objectOf(only, sql`${rows.clauses()}${orderAndLimit(page, size)}`);
    return sql`from (select array_to_json(array(${listed})) as ${nameOf("shown", 0)}) ${aggregates}`;
  }
  const columns = shown.map((row, i) => sql`(${objectOf(row, sql.blank)}) as ${nameOf("row", i)}`);
  if (needs.cursors) columns.push(sql`${cursorOf(page)} as cursor`);
  if (columns.length === 0) columns.push(sql`true as exists`);
  const listed = sql.identifier(Symbol("listed"));
  const limit = needs.more ? size + 1 : size;
  const numbered = sql`select row_number() over () as n, ${listed}.* from (
    select ${sql.join(columns, ", ")} ${rows.clauses()}${orderAndLimit(page, limit)}
  ) ${listed}`;
  const inOrder = isLast ? sql`n desc` : sql`n`;
  const isShown = sql`filter (where n <= ${sql.literal(size)})`;
  const edge = (order: SQL) => sql`(array_agg(cursor order by ${order}) ${isShown})[1]`;
  const made = shown.map((_, i) => {
    const list = sql`array_agg(${nameOf("row", i)} order by ${inOrder}) ${isShown}`;
    return sql`array_to_json(coalesce(${list}, '{}')) as ${nameOf("shown", i)}`;
  });
  if (needs.more) made.push(sql`count(*) > ${sql.literal(size)} as ${more}`);
  if (needs.cursors) {
    const [first, last] = isLast ? [sql`n desc`, sql`n`] : [sql`n`, sql`n desc`];
    made.push(sql`${edge(first)} as ${startCursor}`, sql`${edge(last)} as ${endCursor}`);
  }
  const numberedRows = sql.identifier(Symbol("numbered"));
  return sql`from (select ${sql.join(made, ", ")} from (${numbered}) ${numberedRows}) ${aggregates}`;
}

/** Compiles the place of a page in its list. */
function compilePageInfo(
  compiler: Compiler,
  selected: Selected,
  { size, isLast, offset }: List["page"],
  needs: Needs,
): SQL {
  const hasMore = () => {
    needs.more = true;
    return more;
  };
  const cursor = (name: SQL) => {
    needs.cursors = true;
    return name;
  };
  const { expression } = compileColumns(compiler, selected, (field): Part => {
    const part = (made: SQL): Part => ({ expression: made, hasJson: false });
    switch (field.node.name.value) {
      case "hasNextPage":
        return part(isLast || size === 0 ? sql.false : hasMore());
      case "hasPreviousPage":
        if (size === 0) return part(sql.false);
        if (isLast) return part(hasMore());
        return part(offset === undefined ? sql.false : sql`${offset} <> 0`);
      case "startCursor":
        return part(cursor(startCursor));
      case "endCursor":
        return part(cursor(endCursor));
      default:
        return refuse(field);
    }
  });
  return expression;
}
