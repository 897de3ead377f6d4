import type { Maybe } from "graphql/jsutils/Maybe.js";

/** The nouns of types whose names differ from them. */
const nouns: ReadonlyMap<string, readonly [one: string, many: string]> = new Map([
  ["ApiKey", ["API key", "API keys"]],
  ["AuditLog", ["audit log entry", "audit log entries"]],
  ["TrashItem", ["deleted row", "deleted rows"]],
]);

/** The words for each aggregate: those of the library, and ours. */
const aggregates = [
  { word: "Sum", id: "Sum", one: "sum", many: "Sums of the fields" },
  { word: "Mean average", id: "Average", one: "average", many: "Averages of the fields" },
  { word: "Minimum", id: "Min", one: "minimum", many: "Minimums of the fields" },
  { word: "Maximum", id: "Max", one: "maximum", many: "Maximums of the fields" },
  {
    word: "Distinct count",
    id: "DistinctCount",
    one: "number of different values",
    many: "Numbers of different values in the fields",
  },
] as const;

const page = "across the matching connection (ignoring before/after/first/last/offset)";
const together = "All fields are combined with a logical ‘and.’";
const left = "Fields that are left out keep their values.";

/**
 * The descriptions of the libraries, with `*` for each name in them, and their replacements. In these:
 *
 * - `{one}`, `{many}`, `{a}`: the noun of the first name, as in "contact", "contacts", "a contact";
 * - `{other}`: the noun of the second name;
 * - `{name}`: the first name as it is;
 * - `{self}`, `{rows}`: the noun of the type that the field belongs to, and its plural;
 * - `{field}`: the name of the field;
 * - `{keys}`: the arguments of the field.
 */
const templates: ReadonlyMap<string, string> = new Map([
  // Queries and lists
  [
    "The root query type which gives access points into the data universe.",
    "Queries: single rows, lists with filters, orders and aggregates, search, history and duplicates.",
  ],
  ["Get a single *.", "The {one} with this {keys}. Null if there is none."],
  [
    "Reads a single * that is related to this *.",
    "The {one} of the {other}. Null if there is none.",
  ],
  ["Reads and enables pagination through a set of *.", "The {many} of the {self}, page by page."],
  ["Reads a set of *.", "The {many} of the {self}."],
  ["A connection to a list of * values.", "A page of {many}."],
  ["A list of * objects.", "The {many} of the page."],
  [
    "A list of edges which contains the * and cursor to aid in pagination.",
    "The {many} of the page, each with its cursor.",
  ],
  ["The count of *all* * you could get from the connection.", "The number of {many} on all pages."],
  ["A * edge in the connection.", "{A} and its cursor."],
  ["The * at the end of the edge.", "The {one}."],
  [
    "A cursor for use in pagination.",
    "The position in the list. Give it as `after` to continue from here.",
  ],
  [
    "A location in a connection that can be used for resuming pagination.",
    "A position in a list. It is valid for the same list in the same order only.",
  ],
  [
    "Information to aid in pagination.",
    "Whether there are more pages, and the cursors to request them with.",
  ],
  ["Information about pagination in a connection.", "Where a page is in its list."],
  [
    "When paginating forwards, are there more items?",
    "Whether there are rows after this page. False if the page was requested with `last`.",
  ],
  [
    "When paginating backwards, are there more items?",
    "Whether there are rows before this page. False unless the page was requested with `last`.",
  ],
  [
    "When paginating forwards, the cursor to continue.",
    "The cursor of the last row: `after` for the next page. Null if the page is empty.",
  ],
  [
    "When paginating backwards, the cursor to continue.",
    "The cursor of the first row: `before` for the previous page. Null if the page is empty.",
  ],

  // Arguments of lists
  [
    "Only read the first * values of the set.",
    "The size of the page, counted from the beginning or from `after`. If no size is given, the default " +
      "of the server applies.",
  ],
  [
    "Only read the last * values of the set.",
    "The size of the page, counted back from the end or from `before`.",
  ],
  ["Read all values in the set after (below) this cursor.", "Returns the rows after this cursor."],
  [
    "Read all values in the set before (above) this cursor.",
    "Returns the rows before this cursor.",
  ],
  [
    "Skip the first * values from our * cursor, an alternative to cursor based pagination. " +
      "May not be used with *.",
    "The number of rows to skip, from the beginning or from `after`. Cannot be combined with `last`.",
  ],
  ["Skip the first * values.", "The number of rows to skip."],
  [
    "A filter to be used in determining which values should be returned by the collection.",
    "Returns only the rows that match.",
  ],
  [
    "The method to use when ordering *.",
    "The order of the {many}: by the first entry, then the next.",
  ],
  ["Methods to use when ordering *.", "The orders in which {many} can be listed."],

  // Filters
  [
    `A filter to be used against * object types. ${together}`,
    "Conditions on {many}; all must be met.",
  ],
  [
    `A filter to be used against many * object types. ${together}`,
    "Conditions on the related {many}; all must be met.",
  ],
  [`A filter to be used against * fields. ${together}`, "Conditions on a value; all must be met."],
  [
    `A filter to be used against * List fields. ${together}`,
    "Conditions on a list of values; all must be met.",
  ],
  ["Filter by the object’s * field.", "Conditions on `{name}`."],
  ["Filter by the object’s * relation.", "Conditions on the related `{name}`."],
  ["A related * exists.", "If true, the row must have a related `{name}`; if false, none."],
  ["Some related * exist.", "If true, the row must have related `{name}`; if false, none."],
  [
    `Every related * matches the filter criteria. ${together}`,
    "All related {many} must match; there may be none.",
  ],
  [
    `Some related * matches the filter criteria. ${together}`,
    "At least one related {one} must match.",
  ],
  [`No related * matches the filter criteria. ${together}`, "No related {one} may match."],
  ["Checks for all expressions in this list.", "All filters of the list must match."],
  ["Checks for any expressions in this list.", "At least one filter of the list must match."],
  ["Negates the expression.", "The filter must not match."],
  [
    "Is null (if * is specified) or is not null (if * is specified).",
    "If true, the value must be null; if false, not null.",
  ],

  // Aggregates
  [`Aggregates ${page}`, "Aggregates of the {rows} on all pages."],
  [`Grouped aggregates ${page}`, "Aggregates of the {rows} on all pages, one for each group."],
  ["The method to use when grouping * for these aggregates.", "The keys to group the {many} by."],
  [
    "Grouping methods for * for usage during aggregation.",
    "The keys by which {many} can be grouped.",
  ],
  ["Conditions on the grouped aggregates.", "Returns only the groups that match."],
  ["Conditions for * aggregates.", "Conditions on the aggregates of groups of {many}."],
  [
    "A filter to be used against aggregates of * object types.",
    "Conditions on aggregates of the related {many}.",
  ],
  [
    "A filter that must pass for the relevant * object to be included within the aggregate.",
    "Limits the {many} that are aggregated.",
  ],
  [
    "Aggregates across related * match the filter criteria.",
    "Conditions on aggregates of the related {many}.",
  ],
  ...aggregates.flatMap(({ word, one }): [string, string][] => [
    [`${word} aggregates ${page}`, `The ${one} of each field.`],
    [`${word} of * across the matching connection`, `The ${one} of \`{field}\`.`],
    [`${word} aggregate over matching * objects.`, `Conditions on the ${one} of a field.`],
  ]),

  // Mutations
  [
    "The root mutation type which contains root level fields which mutate data.",
    "Mutations: changes of single rows and of many, merges, undo and administration. Those of one " +
      "operation run one after the other, each in its own transaction.",
  ],
  [
    "The exclusive input argument for this mutation. An object type, make sure to see documentation for " +
      "this object’s fields.",
    "The input of the mutation.",
  ],
  ["Creates a single *.", "Creates {a}."],
  [
    "Updates a single * using a unique key and a patch.",
    `Updates {a}. ${left} Fails with NOT_FOUND if it does not exist.`,
  ],
  [
    "Deletes a single * using a unique key.",
    "Deletes {a}. Fails with NOT_FOUND if it does not exist.",
  ],
  ["All input for the create * mutation.", "The input to create {a}."],
  ["All input for the * mutation.", "The input of `{name}`."],
  ["An input for mutations affecting *", "The fields of {a}."],
  ["Represents an update to a *. Fields that are set will be updated.", `Changes of {a}. ${left}`],
  ["The * to be created by this mutation.", "The {one} to create."],
  ["An object where the defined keys will be set on the * being updated.", `The changes. ${left}`],
  ["The output of our create * mutation.", "The result of creating {a}."],
  ["The output of our update * mutation.", "The result of updating {a}."],
  ["The output of our delete * mutation.", "The result of deleting {a}."],
  ["The output of our * mutation.", "The result of `{name}`."],
  ["The output of the * mutation.", "The result of `{name}`."],
  ["The * that was created by this mutation.", "The new {one}."],
  ["The * that was updated by this mutation.", "The updated {one}, with its new values."],
  ["The * that was deleted by this mutation.", "The deleted {one}, with its last values."],
  [
    "An edge for our *. May be used by Relay 1.",
    "The {one} and its cursor, for clients that update a cached list.",
  ],
  [
    "An arbitrary string value with no semantic meaning. Will be included in the payload verbatim. May " +
      "be used to track mutations by the client.",
    "Any text. The payload repeats it.",
  ],
  [
    "The exact same * that was provided in the mutation input, unchanged and unused. May be used by a " +
      "client to track mutations.",
    "The `clientMutationId` of the input.",
  ],
  [
    "Our root query field type. Allows us to run any query from our mutation payload.",
    "Queries that run after the mutation, in the same request.",
  ],

  // Scalars
  [
    "A floating point number that requires more precision than IEEE 754 binary 64",
    "A decimal number, exact in every digit. Returned as a string; accepted as a string or a number.",
  ],
  [
    "A signed eight-byte integer. The upper big integer values are greater than the max value for a " +
      "JavaScript number. Therefore all big integers will be output as strings and not numbers.",
    "An integer of up to 64 bits. Returned as a string; accepted, up to 18 digits, as a string or a number.",
  ],
  ["A calendar date in YYYY-MM-DD format.", "A date, such as 2026-01-31."],
  [
    "A point in time as described by the [ISO 8601](https://en.wikipedia.org/wiki/ISO_8601) and, if it " +
      "has a timezone, [RFC 3339](https://datatracker.ietf.org/doc/html/rfc3339) standards. Input values " +
      "that do not conform to both ISO 8601 and RFC 3339 may be coerced, which may lead to unexpected " +
      "results.",
    "A date and time with its offset from UTC, such as 2026-01-31T09:30:00Z. Input without an offset is " +
      "refused.",
  ],
  [
    "An interval of time that has passed where the smallest distinct unit is a second.",
    "A length of time.",
  ],
  ...["days", "hours", "minutes", "months", "years"].map((unit): [string, string] => [
    `A quantity of ${unit}.`,
    `The number of ${unit}.`,
  ]),
  [
    "A quantity of seconds. This is the only non-integer field, as all the other fields will dump their " +
      "overflow into a smaller unit of time. Intervals don’t have a smaller unit than seconds.",
    "The number of seconds, with decimals. The other fields are integers.",
  ],
  [
    "Represents JSON values as specified by [ECMA-404]" +
      "(http://www.ecma-international.org/publications/files/ECMA-ST/ECMA-404.pdf).",
    "Any JSON value.",
  ],
]);

/** Descriptions of types that have none, by name. `{many}` is the noun of the first group. */
const ofTypes: readonly (readonly [name: RegExp, description: string])[] = [
  ...aggregates.flatMap(({ id, one, many }): [RegExp, string][] => [
    [new RegExp(`^(\\w+?)${id}Aggregates$`), `${many} of {many}.`],
    [new RegExp(`^(\\w+)Having${id}Input$`), `Conditions on the ${one} of a field of {many}.`],
    [new RegExp(`^(\\w+?)${id}AggregateFilter$`), `Conditions on the ${one} of a field of {many}.`],
  ]),
  [/^Having\w+Filter$/, "Conditions on an aggregate; all must be met."],
  [/^(\w+)Aggregates$/, "Aggregates of {many}, over one group or over all pages."],
];

/** The place of a description in the schema. */
interface Place {
  /** The name of the type. */
  readonly type: string;
  readonly field?: string;
  readonly args?: readonly string[];
}

interface Described {
  description?: Maybe<string>;
}

/**
 * Replaces the descriptions of the libraries, which are about GraphQL, by descriptions about the CRM. Those
 * from the database and from other plugins stay. Only whole texts are replaced: a library that changes a
 * text needs a change here, which a test over the schema reports.
 */
export const DescriptionsPlugin: GraphileConfig.Plugin = {
  name: "CrmDescriptionsPlugin",
  version: "1.0.0",
  description: "Describes generated types, fields and arguments in the words of a CRM.",
  after: ["ClientMutationIdDescriptionPlugin"],
  schema: {
    hooks: {
      GraphQLObjectType: (type, build, { scope }) => ofType(type, build, scope),
      GraphQLInputObjectType: (type, build, { scope }) => ofType(type, build, scope),
      GraphQLEnumType: (type, build, { scope }) => ofType(type, build, scope),
      GraphQLScalarType: (type, build, { scope }) => ofType(type, build, scope),
      GraphQLObjectType_fields_field(field, build, { Self, scope }) {
        const { fieldName } = scope;
        if (scope.isPgAggregateContainerType && fieldName === "keys") {
          return {
            ...field,
            description: "The values by which the rows are grouped, in that order.",
          };
        }
        const args = Object.keys(field.args ?? {});
        return described(field, { type: Self.name, field: fieldName, args }, build);
      },
      GraphQLObjectType_fields_field_args_arg: (arg, build, { Self, scope }) =>
        described(arg, { type: Self.name, field: scope.fieldName }, build),
      GraphQLInputObjectType_fields_field: (field, build, { Self, scope }) =>
        described(field, { type: Self.name, field: scope.fieldName }, build),
    },
  },
};

function ofType<Type extends Described & { name: string }>(
  type: Type,
  build: GraphileBuild.Build,
  scope: object,
): Type {
  if (type.description) return described(type, { type: type.name }, build);
  if ("pgCodec" in scope) return type; // one of a table, whose name may look like an aggregate's
  for (const [pattern, description] of ofTypes) {
    const [found, name = ""] = pattern.exec(type.name) ?? [];
    if (found === undefined) continue;
    return { ...type, description: description.replace("{many}", nounsOf(name, build)[1]) };
  }
  return type;
}

function described<Config extends Described>(
  config: Config,
  place: Place,
  build: GraphileBuild.Build,
): Config {
  const { description } = config;
  if (!description) return config;
  const names: string[] = [];
  const key = quoted(description, place)
    .replace(/\s+/g, " ")
    .replace(/`([^`]*)`/g, (_, name: string) => {
      names.push(name);
      return "*";
    });
  const template = templates.get(key);
  if (template === undefined) return config;

  const { type, field = "", args = [] } = place;
  const [name = "", other = ""] = names;
  const [one, many] = nounsOf(name, build);
  const [self, rows] = nounsOf(type.replace(/(Connection|Payload)$/, ""), build);
  const a = `${startsWithVowel.test(one) ? "an" : "a"} ${one}`;
  const A = a.charAt(0).toUpperCase() + a.slice(1);
  const keys = args.map((arg) => (/[A-Z]/.test(arg) ? `\`${arg}\`` : arg)).join(" and ");
  const words: Readonly<Record<string, string>> = {
    ...{ name, one, many, a, A, self, rows, field, keys, other: nounsOf(other, build)[0] },
  };
  // A list of the root belongs to no row.
  const text = type === "Query" ? template.replace(" of the {self}", "") : template;
  return {
    ...config,
    description: text.replace(/\{(\w+)\}/g, (_, word: string) => words[word] ?? ""),
  };
}

/** Quotes the names that the libraries write without backticks. */
function quoted(description: string, { field }: Place): string {
  return description
    .replace(
      / of this field across the matching connection\..*$/s,
      ` of ${field} across the matching connection`,
    )
    .replace(/ of (\w+) across the matching connection$/, " of `$1` across the matching connection")
    .replace(/ against (\w+)( List)? fields\./, " against `$1`$2 fields.");
}

const startsWithVowel = /^(?!eu|one|uni|us[aei])[aeiou]/i;

/** Returns the noun of a type and its plural. */
function nounsOf(type: string, { inflection }: GraphileBuild.Build): readonly [string, string] {
  const known = nouns.get(type);
  if (known !== undefined) return known;
  const one = spaced(type);
  return [one, inflection.pluralize(one)];
}

/** Returns a name in words: `PipelineStage` is "pipeline stage". */
function spaced(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").toLowerCase();
}
