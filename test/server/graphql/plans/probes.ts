import {
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";

import { idOf } from "./fill.ts";

/** An operation that a client can send. */
export interface Probe {
  /** Such as `contacts filter firstName.equalTo`. */
  readonly name: string;
  readonly document: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Whether its statements are executed, so that those within functions are seen. */
  readonly isRun: boolean;
}

/** Values that few rows have, by the name of the field. */
const rare: Readonly<Record<string, unknown>> = {
  firstName: "First 99999",
  lastName: "Last 99999",
  name: "Company 99999",
  title: "Deal 99999",
  emails: "user1@example.com",
  phones: "+49 30 100001",
  ownerId: "user 1",
  assignedTo: "user 1",
  createdBy: "user 1",
  userId: "user 1",
  stage: "Proposal",
  status: "open",
  action: "delete",
  entityType: "contact",
  source: "erp",
  query: "First 1",
  entityTypes: ["contact", "company", "deal", "task", "note"],
  role: "reader",
  fieldType: "text",
};

/** A field of each entity, for its history. */
const fields: Readonly<Record<string, string>> = {
  company: "name",
  contact: "lastName",
  deal: "title",
  task: "description",
  note: "content",
};

/** Returns every read that the schema offers. */
export function queriesOf(schema: GraphQLSchema): Probe[] {
  const fields = Object.values(schema.getQueryType()?.getFields() ?? {});
  return fields.flatMap((field) => {
    // The list of a function is called like other functions.
    const isList =
      field.args.some(({ name }) => name === "orderBy") &&
      !field.args.some(({ type }) => isNonNullType(type));
    return isList ? listProbes(schema, field) : [...relationProbes(field), functionProbe(field)];
  });
}

/** Returns a mutation with valid or at least typed input for each that the schema offers. */
export function mutationsOf(
  schema: GraphQLSchema,
  inputs: Readonly<Record<string, unknown>>,
): Probe[] {
  const fields = Object.values(schema.getMutationType()?.getFields() ?? {});
  return fields.map(({ name, args }) => {
    const type = args[0]?.type;
    return {
      name: `mutation ${name}`,
      document: `mutation ($input: ${String(type)}) { ${name}(input: $input) { clientMutationId } }`,
      variables: { input: inputs[name] ?? (type && sample(type, "", "", true)) },
      isRun: true,
    };
  });
}

type Field = GraphQLField<unknown, unknown>;
type InputFields = Readonly<Record<string, GraphQLInputField>>;

/** Returns the probes of a list: each operator of each filter, each order, each group, aggregates. */
function listProbes(schema: GraphQLSchema, field: Field): Probe[] {
  const list = field.name;
  const rows = "nodes { __typename }";
  const plain = (what: string, selection: string): Probe => ({
    name: `${list} ${what}`,
    document: `{ ${list}${selection} }`,
    isRun: false,
  });
  const withValue = (what: string, type: string, selection: string, value: unknown): Probe => ({
    name: `${list} ${what}`,
    document: `query ($value: ${type}) { ${list}${selection} }`,
    variables: { value },
    isRun: false,
  });

  const connection = getNamedType(field.type) as GraphQLObjectType;
  const { groupedAggregates } = connection.getFields();
  const filter = argumentType(field, "filter");
  const order = argumentType(field, "orderBy");
  const group = groupedAggregates && argumentType(groupedAggregates, "groupBy");
  return [
    plain("page", `(first: 10) { ${rows} }`),
    plain("page from the end", `(last: 10) { ${rows} }`),
    plain("totalCount", " { totalCount }"),
    ...conditionsOf(fieldsOf(filter)).map(([what, value]) =>
      withValue(`filter ${what}`, String(filter), `(filter: $value, first: 10) { ${rows} }`, value),
    ),
    ...valuesOf(order).map((value) =>
      withValue(
        `orderBy ${value}`,
        `[${String(order)}!]`,
        `(orderBy: $value, ${value === "RELEVANCE" ? 'search: "First 1", ' : ""}first: 10) { ${rows} }`,
        value,
      ),
    ),
    ...valuesOf(group).map((value) =>
      withValue(
        `groupBy ${value}`,
        `[${String(group)}!]!`,
        " { groupedAggregates(groupBy: $value) { keys } }",
        value,
      ),
    ),
    ...aggregatesOf(schema, connection).map((selection) =>
      plain(`aggregates ${selection}`, ` { aggregates { ${selection} } }`),
    ),
  ];
}

/** Returns the type of an argument without lists and non-null. */
function argumentType({ args }: Field, name: string): GraphQLNamedType | undefined {
  const argument = args.find((arg) => arg.name === name);
  return argument && getNamedType(argument.type);
}

/** Returns the fields of an input type; none of any other type. */
function fieldsOf(type: GraphQLNamedType | undefined): InputFields {
  return isInputObjectType(type) ? type.getFields() : {};
}

/** Returns the values of an enum; none of any other type. */
function valuesOf(type: GraphQLNamedType | undefined): string[] {
  return isEnumType(type) ? type.getValues().map(({ name }) => name) : [];
}

/** Returns the selections of each aggregate of a connection: `sum { value }`. */
function aggregatesOf(schema: GraphQLSchema, connection: GraphQLObjectType): string[] {
  const { aggregates } = connection.getFields();
  if (aggregates === undefined) return [];
  const type = schema.getType(getNamedType(aggregates.type).name) as GraphQLObjectType;
  return Object.values(type.getFields()).flatMap(({ name, type: of }) => {
    const kind = getNamedType(of);
    if (!isObjectType(kind)) return [];
    const fields = Object.values(kind.getFields()).filter(
      ({ args, type: value }) =>
        args.every((arg) => !isNonNullType(arg.type)) && !isCompositeType(getNamedType(value)),
    );
    return fields.map((field) => `${name} { ${field.name} }`);
  });
}

/** Returns a filter for each operator of each field, and for each way to filter by relations. */
function conditionsOf(fields: InputFields): [name: string, value: unknown][] {
  return Object.values(fields).flatMap(({ name, type }): [string, unknown][] => {
    const operators = getNamedType(type);
    const first = conditionOn(fields);
    if (name === "and" || name === "or") return [[name, { [name]: [first, first] }]];
    if (name === "not") return [[name, { not: first }]];
    if (!isInputObjectType(operators)) return [[name, { [name]: true }]];
    return Object.values(operators.getFields()).flatMap(
      ({ name: operator, type: of }): [string, unknown][] => {
        // A filter on related rows, of which those on the id stand for the others.
        if ("and" in operators.getFields() && operator !== "id") return [];
        const value =
          operator === "id"
            ? equalTo(of)
            : operator === "aggregates"
              ? { distinctCount: { [Object.keys(aggregated(of))[0] ?? ""]: { greaterThan: "1" } } }
              : isRelated(of)
                ? conditionOn(fieldsOf(getNamedType(of)))
                : "equalTo" in fieldsOf(getNamedType(of))
                  ? equalTo(of)
                  : sample(of, name, operator);
        return [[`${name}.${operator}`, { [name]: { [operator]: value } }]];
      },
    );
  });
}

/** Returns whether a filter is one on rows. */
function isRelated(type: GraphQLInputType): boolean {
  const filter = getNamedType(type);
  return isInputObjectType(filter) && "and" in filter.getFields();
}

/** Returns the fields of the number of distinct values, in a filter on aggregates. */
function aggregated(type: GraphQLInputType): InputFields {
  const { distinctCount } = fieldsOf(getNamedType(type));
  return distinctCount === undefined ? {} : fieldsOf(getNamedType(distinctCount.type));
}

/** Returns the name of the field that identifies a row. */
function keyOf(fields: InputFields): string {
  return "entryId" in fields ? "entryId" : "id";
}

/** Returns a filter that one row meets. */
function conditionOn(fields: InputFields): object {
  const key = keyOf(fields);
  const field = fields[key];
  return field === undefined ? {} : { [key]: equalTo(field.type) };
}

function equalTo(filter: GraphQLInputType): object {
  const field = fieldsOf(getNamedType(filter)).equalTo;
  return field === undefined ? {} : { equalTo: sample(field.type, "", "equalTo") };
}

/** Returns each list and each related row of one row: `contact { tasks }`. */
function relationProbes({ name, args, type }: Field): Probe[] {
  const row = getNamedType(type);
  const isById =
    args.length === 1 && args[0]?.name === "id" && /^(UUID|ID)!$/.test(String(args[0].type));
  if (!isById || !isObjectType(row) || !("id" in row.getFields())) return [];
  return Object.values(row.getFields())
    .filter((field) => isCompositeType(getNamedType(field.type)))
    .filter((field) => field.name !== "fieldHistory" || name in fields)
    .map((field) => ({
      name: `${name} ${field.name}`,
      document: `{ ${name}(id: "${idOf(1)}") { ${field.name}${argumentsOf(field, name)} { ${leavesOf(field)} } } }`,
      isRun: true,
    }));
}

/** Returns a call of a field of the root. */
function functionProbe(field: Field): Probe {
  const { name, type } = field;
  const isLeaf = !isCompositeType(getNamedType(type));
  return {
    name: `query ${name}`,
    document: `{ ${name}${argumentsOf(field)} ${isLeaf ? "" : `{ ${leavesOf(field)} }`} }`,
    isRun: true,
  };
}

/** Returns a selection that reads the rows of a field. */
function leavesOf({ type }: Field): string {
  const of = getNamedType(type) as GraphQLObjectType;
  return "nodes" in of.getFields()
    ? "nodes { __typename } totalCount"
    : Object.values(of.getFields())
        .filter(({ args, type: leaf }) => args.length === 0 && !isCompositeType(getNamedType(leaf)))
        .map(({ name }) => name)
        .join(" ");
}

function argumentsOf({ args }: Field, entity = "contact"): string {
  const given = args
    .filter(({ name, type }) => isNonNullType(type) || !paging.has(name))
    .map(({ name, type }) => {
      const value = name === "field" ? fields[entity] : sample(type, name, "equalTo");
      const literal = JSON.stringify(value);
      return `${name}: ${isEnumType(getNamedType(type)) ? literal.replaceAll('"', "") : literal}`;
    });
  return given.length === 0 ? "" : `(${given.join(", ")})`;
}

const paging = new Set([
  "first",
  "last",
  "after",
  "before",
  "offset",
  "filter",
  "orderBy",
  "minScore",
]);

/** Returns a value of a type that few rows have. */
function sample(
  type: GraphQLInputType,
  field: string,
  operator: string,
  isComplete = false,
): unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) {
    const value = rare[field];
    return Array.isArray(value) ? value : [sample(nullable.ofType, field, operator, isComplete)];
  }
  if (isInputObjectType(nullable)) {
    const fields = Object.values(nullable.getFields());
    if (nullable.name === "ExternalIdInput") return { source: "erp", id: "1" };
    if (nullable.name === "IntervalInput") return { days: 1 };
    return Object.fromEntries(
      fields
        .filter((member) => isComplete && member.name !== "idempotencyKey")
        .map((member) => [member.name, sample(member.type, member.name, operator, true)]),
    );
  }
  if (isEnumType(nullable)) {
    const value = String(rare[field]);
    return nullable.getValue(value) === undefined ? nullable.getValues()[0]?.name : value;
  }
  const isLow = operator.startsWith("lessThan");
  switch (getNamedType(nullable).name) {
    case "UUID":
    case "ID":
      return idOf(isLow || operator === "equalTo" || operator === "" ? 1 : 99_999);
    case "Boolean":
      return true;
    case "Int":
      return 1;
    case "Float":
      return 0.5;
    case "BigInt":
    case "BigFloat":
      return isLow ? "1" : "99999";
    case "Date":
      return isLow ? "2000-01-02" : "2027-05-01";
    case "Datetime":
      return isLow ? "2020-01-01T01:00:00Z" : "2021-11-24T00:00:00Z";
    case "JSON":
      return { key: "rare" };
    case "Interval":
      return "P1D";
    default:
      if (isLow) return " ";
      if (operator.startsWith("greaterThan")) return "zzz";
      return /^(id|ids)$/.test(field) ? "1" : (rare[field] ?? "rare");
  }
}
