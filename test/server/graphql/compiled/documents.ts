import {
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isLeafType,
  isNonNullType,
  isObjectType,
} from "graphql";

import {
  any,
  chance,
  type Draft,
  draftOf,
  type Draw,
  type Known,
  literalOf,
  type Place,
  some,
} from "./values.ts";

/** A document, and variables for several requests. */
export interface Case {
  readonly text: string;
  readonly variables: readonly Readonly<Record<string, unknown>>[];
  /** A list of the query whose cursors are values of the variable `after` or `before`. */
  readonly pages: { readonly key: string; readonly variable: "after" | "before" } | undefined;
}

/** Tells something of a field of a type. */
export type Test = (type: string, field: string) => boolean;

/** What documents are made of. */
export interface Material {
  readonly draw: Draw;
  readonly schema: GraphQLSchema;
  readonly known: Known;
  /** Whether a field has the same value in two databases with equal rows. */
  readonly isSame: Test;
  /** Whether a field is seldom selected, because operations with it are not compiled. */
  readonly isRare: Test;
}

interface Context extends Material {
  readonly variables: Map<
    string,
    {
      readonly type: string;
      readonly draft: Draft;
      readonly other: Draft;
      readonly isOptional: boolean;
    }
  >;
  readonly fragments: string[];
  aliases: number;
}

/** Aliases that could be mistaken for names in the statement. */
const names = [
  ...["__o__", "__o_1__", "o", "n", "more", "shown0", "row0", "start_cursor", "page", "__page__"],
  ...["exists", "listed", "select", "__contacts__", "data", "_", "x".repeat(63)],
];

/** Creates a query: one or two fields of the schema's own, with what is selected of them. */
export function queryCase(material: Material): Case {
  const { draw, schema, isSame } = material;
  const context = contextOf(material);
  const type = schema.getQueryType();
  if (!type) throw new Error("there is no query");
  const fields = Object.values(type.getFields()).filter(({ name }) => isSame("Query", name));
  const isMain = ({ name }: GraphQLField<unknown, unknown>) =>
    /^(contacts?|compan(y|ies)|deals?|tasks?|notes?)$/.test(name);
  const isOfTable = ({ name, args }: GraphQLField<unknown, unknown>) =>
    (/(By[A-Z]|[^f]$)/.test(name) &&
      args.every((argument) => ["id", "name"].includes(argument.name)) &&
      args.length === 1) ||
    (args.some((argument) => argument.name === "orderBy") &&
      !args.some((argument) => isNonNullType(argument.type)));
  const roots = Array.from({ length: chance(draw, 20) ? 2 : 1 }, () =>
    any(
      draw,
      chance(draw, 75)
        ? fields.filter(isMain)
        : chance(draw, 60)
          ? fields.filter(isOfTable)
          : fields,
    ),
  );
  const keys = new Set<string>();
  let pages: Case["pages"];
  const selections = roots.map((field) => {
    const isPaged =
      pages === undefined && field.args.some(({ name }) => name === "before") && chance(draw, 30);
    if (!isPaged) return fieldOf(context, field, 3, keys, 0);
    const variable = chance(draw, 70) ? "after" : "before";
    pages = { key: `pages`, variable };
    const first = variable === "after" ? "first" : "last";
    const args = field.args.filter(({ name }) => ["orderBy", "filter", "search"].includes(name));
    const given = argumentsOf(context, args, [
      "orderBy",
      ...some(draw, ["filter", "search", "-"], 1),
    ]);
    context.variables.set(variable, {
      type: "Cursor",
      draft: () => null,
      other: () => null,
      isOptional: true,
    });
    const size = 1 + draw.below(4);
    const list = [`${first}: ${size}`, `${variable}: $${variable}`, ...given].join(", ");
    const selected = selectionOf(context, getNamedType(field.type) as GraphQLObjectType, 2, 0);
    return `pages: ${field.name}(${list}) { edges { cursor } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } ${selected} }`;
  });
  if (chance(draw, 10)) selections.push("__typename");
  return caseOf(context, "query", selections, pages);
}

/** Creates a mutation of one row, of which values are selected that are equal in two databases. */
export function mutationCase(material: Material): Case {
  const { draw, schema, known, isSame } = material;
  const type = schema.getMutationType();
  if (!type) throw new Error("there is no mutation");
  const one =
    /^(create|update)(Contact|Company|Deal|Task|Note|PipelineStage|ExchangeRate|CustomFieldDefinition)$/;
  const fields = Object.values(type.getFields()).filter(
    ({ name }) => one.test(name) && isSame("Mutation", name),
  );
  const usual = fields.filter(({ name }) => /(Contact|Company|Deal|Task|Note)$/.test(name));
  const field = any(draw, chance(draw, 90) ? usual : fields);
  const entity = field.name.replace(/^(create|update)/, "");
  const local = new Map(known);
  local.set("id", known.get(`${entity}.id`) ?? []);
  const inContext = contextOf({ ...material, known: local });
  const payload = getNamedType(field.type) as GraphQLObjectType;
  const row = Object.values(payload.getFields()).find(
    ({ type: of }) => getNamedType(of).name === entity,
  );
  if (row === undefined) throw new Error(`what does ${field.name} write?`);
  const rare = chance(draw, 8);
  const only = (of: string, name: string) =>
    rare ||
    ![
      "version",
      "clientMutationId",
      "idempotencyKey",
      "externalIds",
      "externalId",
      "company",
      "contact",
      "entity",
    ].includes(name) ||
    of.includes("Address");
  const must = (of: string, name: string) =>
    !rare &&
    (/^(companyId|emails)$/.test(name)
      ? /^(Deal|Contact)Input$/.test(of) && of.startsWith(name === "emails" ? "Contact" : "Deal")
      : /^(Task|Note)Input$/.test(of) && name === "entityId");
  const [input] = field.args;
  if (input === undefined) throw new Error(`${field.name} has no input`);
  const attached = any(draw, ["contact", "company", "deal"]);
  local.set(
    "entityId",
    known.get(`${attached.charAt(0).toUpperCase()}${attached.slice(1)}.id`) ?? [],
  );
  for (const target of ["Contact", "Company", "Deal"])
    local.set(`${target.toLowerCase()}Id`, known.get(`${target}.id`) ?? []);
  const enums = chance(draw, 90) ? { entityType: attached } : {};
  const given = inputOf(inContext, input, {
    ...{ name: "input", depth: 3, only, must, enums },
    odd: any(draw, [1, 2, 3, 15]),
  });
  const args = given === undefined ? "" : `(${given})`;
  const selected = `${row.name} { ${selectionOf(inContext, getNamedType(row.type) as GraphQLObjectType, chance(draw, 60) ? 0 : 2, 1)} }`;
  const alias = chance(draw, 20) ? "saved: " : "";
  return caseOf(inContext, "mutation", [`${alias}${field.name}${args} { ${selected} }`], undefined);
}

function contextOf(material: Material): Context {
  return { ...material, variables: new Map(), fragments: [], aliases: 0 };
}

/** Assembles the document, and draws the variables: two sets of one shape, then others. */
function caseOf(
  { draw, variables, fragments }: Context,
  kind: string,
  selections: readonly string[],
  pages: Case["pages"],
): Case {
  const declared = [...variables].map(([name, { type }]) => `$${name}: ${type}`);
  const list = declared.length === 0 ? "" : `(${declared.join(", ")})`;
  const text = [`${kind} Case${list} { ${selections.join(" ")} }`, ...fragments].join("\n");
  const absent = new Set(
    [...variables]
      .filter(([, { isOptional }]) => isOptional && chance(draw, 15))
      .map(([name]) => name),
  );
  const drawn = (isOther: boolean) =>
    Object.fromEntries(
      [...variables].flatMap(([name, { draft, other, isOptional }]) => {
        const isAbsent = isOther ? isOptional && chance(draw, 30) : absent.has(name);
        return isAbsent ? [] : [[name, (isOther ? other : draft)()]];
      }),
    );
  const sets =
    variables.size === 0 ? [{}] : [drawn(false), drawn(false), drawn(true), drawn(false)];
  return { text, variables: sets, pages };
}

/** Writes the arguments of a field. */
function argumentsOf(
  context: Context,
  args: readonly GraphQLArgument[],
  wanted: readonly string[],
): string[] {
  return args.flatMap((argument) => {
    const isRequired = isNonNullType(argument.type) && argument.defaultValue === undefined;
    if (!isRequired && !wanted.includes(argument.name)) return [];
    const given = inputOf(context, argument, { name: argument.name, depth: 3 });
    return given === undefined ? [] : [given];
  });
}

/** Writes an argument: a literal, a variable, or an object with variables. */
function inputOf(context: Context, argument: GraphQLArgument, place: Place): string | undefined {
  const { draw, known } = context;
  const size = ["first", "last", "offset"].includes(argument.name);
  const draft = (): Draft => {
    if (size) {
      const sizes =
        argument.name === "offset"
          ? [0, 1, 3, 1000]
          : [1, 2, 3, 5, 0, 2, 3, chance(draw, 5) ? -1 : 4];
      return () => any(draw, sizes);
    }
    if (argument.name === "groupBy") {
      const type = getNamedType(argument.type);
      const values = "getValues" in type ? type.getValues() : [];
      const chosen = chance(draw, 5) ? [] : some(draw, values, 2).map(({ name }) => name);
      return () => chosen;
    }
    if (argument.name === "orderBy") {
      const type = getNamedType(argument.type);
      const values = "getValues" in type ? type.getValues() : [];
      const open = values.filter(({ name }) => context.isSame(type.name, name));
      const chosen = some(draw, open, 2).map(({ name }) => name);
      return () => chosen;
    }
    return draftOf(draw, known, argument.type, place);
  };
  const isVariable = chance(draw, 50);
  const text = isVariable
    ? variableOf(context, argument.type, argument.defaultValue !== undefined, draft)
    : withVariables(context, argument.type, draft()(), place);
  return `${argument.name}: ${text}`;
}

function variableOf(
  context: Context,
  type: GraphQLInputType,
  hasDefault: boolean,
  draft: () => Draft,
): string {
  const { draw, variables } = context;
  const name = `v${variables.size}`;
  const isOptional = !isNonNullType(type) || hasDefault;
  const isRequired = isOptional && chance(draw, 30);
  const written = isRequired && !isNonNullType(type) ? `${String(type)}!` : String(type);
  variables.set(name, {
    type: written,
    draft: notNull(draft(), isRequired),
    other: notNull(draft(), isRequired),
    isOptional: isOptional && !isRequired && !isNonNullType(type),
  });
  return `$${name}`;
}

function notNull(draft: Draft, isRequired: boolean): Draft {
  return isRequired ? () => draft() ?? draft() : draft;
}

/** Writes a value, with variables in place of some of its members. */
function withVariables(
  context: Context,
  type: GraphQLInputType,
  value: unknown,
  place: Place,
): string {
  const { draw, known } = context;
  const named = getNamedType(type);
  if (
    typeof value !== "object" ||
    value === null ||
    Array.isArray(value) ||
    !("getFields" in named) ||
    isObjectType(named)
  ) {
    return literalOf(type, value);
  }
  const fields = (
    named as unknown as { getFields(): Record<string, { type: GraphQLInputType }> }
  ).getFields();
  const members = Object.entries(value).map(([name, member]) => {
    const of = fields[name]?.type;
    if (of === undefined) return `${name}: ${literalOf(of, member)}`;
    const inner = {
      ...place,
      name: named.name.endsWith("Filter") && !("getFields" in getNamedType(of)) ? place.name : name,
      depth: place.depth - 1,
    };
    const text = chance(draw, 30)
      ? variableOf(context, of, false, () => draftOf(draw, known, of, inner))
      : withVariables(context, of, member, inner);
    return `${name}: ${text}`;
  });
  return `{ ${members.join(", ")} }`;
}

/** Writes a selection of an object, without braces. */
function selectionOf(
  context: Context,
  type: GraphQLObjectType,
  depth: number,
  lists: number,
): string {
  const { draw, isSame, isRare } = context;
  const withRare = chance(draw, 10);
  const fields = Object.values(type.getFields()).filter(
    (field) =>
      isSame(type.name, field.name) &&
      (withRare || !isRare(type.name, field.name)) &&
      (depth > 0 || isLeafType(getNamedType(field.type))),
  );
  const leaves = fields.filter((field) => isLeafType(getNamedType(field.type)));
  const objects = fields.filter((field) => !leaves.includes(field));
  const chosen = type.name.endsWith("Connection")
    ? some(draw, fields, 3)
    : [
        ...(leaves.length > 0 ? some(draw, leaves, 5) : []),
        ...(objects.length > 0 && (leaves.length === 0 || chance(draw, 60))
          ? some(draw, objects, lists > 1 ? 1 : 2)
          : []),
      ];
  const nodes = fields.find(({ name }) => name === "nodes");
  // Cursors of a page without rows are not compiled.
  if (
    nodes &&
    chosen.some(({ name }) => name === "pageInfo") &&
    !chosen.some(({ name }) => /nodes|edges/.test(name)) &&
    chance(draw, 95)
  ) {
    chosen.push(nodes);
  }
  const keys = new Set<string>();
  const parts = chosen.map((field) =>
    wrapped(context, type, fieldOf(context, field, depth, keys, lists)),
  );
  const [first] = chosen;
  if (
    first &&
    leaves.includes(first) &&
    first.args.length === 0 &&
    keys.has(first.name) &&
    chance(draw, 10)
  )
    parts.push(first.name);
  if (chance(draw, 10) || parts.length === 0)
    parts.push(chance(draw, 50) ? "__typename" : "kind_: __typename");
  return parts.join(" ");
}

/** Puts a selection into a fragment, or behind a directive. */
function wrapped(context: Context, type: GraphQLObjectType, selection: string): string {
  const { draw, fragments, variables } = context;
  const directive = (): string => {
    if (!chance(draw, 40)) return "";
    const name = any(draw, ["include", "skip"]);
    if (chance(draw, 30)) return ` @${name}(if: ${chance(draw, 50)})`;
    const variable = any(draw, ["yes", "no"]);
    variables.set(variable, {
      type: "Boolean!",
      draft: () => variable === "yes",
      other: () => chance(draw, 50),
      isOptional: false,
    });
    return ` @${name}(if: $${variable})`;
  };
  switch (draw.below(12)) {
    case 0:
      return `... on ${type.name}${directive()} { ${selection} }`;
    case 1:
      return `...${directive()} { ${selection} }`;
    case 2: {
      const name = `F${fragments.length}`;
      fragments.push(`fragment ${name} on ${type.name} { ${selection} }`);
      return chance(draw, 30) ? `...${name} ...${name}${directive()}` : `...${name}${directive()}`;
    }
    default:
      return selection;
  }
}

/** Writes a field with its arguments and selection. */
function fieldOf(
  context: Context,
  field: GraphQLField<unknown, unknown>,
  depth: number,
  keys: Set<string>,
  lists: number,
): string {
  const { draw } = context;
  const type = getNamedType(field.type);
  const isList = type.name.endsWith("Connection");
  let alias = "";
  if (keys.has(field.name) || chance(draw, 15)) {
    const free = names.filter((name) => !keys.has(name));
    if (chance(draw, 2)) free.push("y".repeat(64));
    alias = chance(draw, 30) && free.length > 0 ? any(draw, free) : `a${(context.aliases += 1)}`;
  }
  keys.add(alias === "" ? field.name : alias);
  const usual =
    [["first"], ["first"], ["first"], ["last"], [], ["first", "last"]][
      draw.below(chance(draw, 95) ? 5 : 6)
    ] ?? [];
  const rare = ["filter", "orderBy", "search", "offset", "after", "before"].filter((name) =>
    chance(
      draw,
      { filter: 40, orderBy: 40, search: 10, offset: usual.includes("last") ? 1 : 10 }[name] ?? 2,
    ),
  );
  const args = argumentsOf(context, field.args, [
    ...usual,
    ...rare,
    ...(chance(draw, 15) ? ["having"] : []),
  ]);
  const list = args.length === 0 ? "" : `(${args.join(", ")})`;
  const name = alias === "" ? field.name : `${alias}: ${field.name}`;
  if (!isObjectType(type))
    return isLeafType(type) ? `${name}${list}` : `${name}${list} { __typename }`;
  const isPart = ["nodes", "edges", "node", "pageInfo"].includes(field.name);
  const inner = selectionOf(
    context,
    type,
    isPart || isList
      ? Math.max(depth, 1) - (field.name === "nodes" || field.name === "node" ? 1 : 0)
      : depth - 1,
    isList ? lists + 1 : lists,
  );
  return `${name}${list} { ${inner} }`;
}
