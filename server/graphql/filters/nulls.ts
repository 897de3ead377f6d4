import {
  type GraphQLArgument,
  type GraphQLInputType,
  getNullableType,
  isInputObjectType,
  isListType,
  Kind,
  type ValueNode,
} from "graphql";

import { type Fields, ValidationError } from "../../errors/classes.ts";
import { sentence } from "../../errors/messages.ts";

/** The extension of a type whose members compare one value, as those of `StringFilter` do. */
export const operatorsMark = "crmOperators";

/**
 * In a filter, null means that a member is not given, as it does in `orderBy`, `first` and `after`. So a
 * client may send one document with a variable for each condition that its user may set.
 *
 * A value whose operators are all null is refused: `companyId: { equalTo: null }` may be meant to find the
 * rows without a company, and would find all.
 */
export const NullsPlugin: GraphileConfig.Plugin = {
  name: "CrmNullsPlugin",
  version: "1.0.0",
  description: "Marks the types whose members are operators.",
  schema: {
    hooks: {
      GraphQLInputObjectType(config, _build, { scope }) {
        if (!scope.pgConnectionFilterOperators && !scope.isPgHavingFilterInputType) return config;
        return { ...config, extensions: { ...config.extensions, [operatorsMark]: true } };
      },
    },
  },
};

const refusal = "must not be null; use isNull, or another operator";
const refusalOfAggregate = "must not be null; leave the condition out";

/** A value inside an argument. */
interface Part {
  readonly type: GraphQLInputType;
  readonly value: unknown;
  /** The literal; undefined inside of a variable. */
  readonly node: ValueNode | undefined;
  /** Its place in the request, from the argument or the variable: `$filter.name.equalTo`. */
  readonly place: string;
  /** Its place in the argument: `name.equalTo`. */
  readonly path: readonly string[];
}

/**
 * Refuses an argument with a comparison whose operators are all null.
 *
 * @param node the literal of the argument.
 * @param value its value, with variables.
 * @throws {ValidationError} with each of these operators.
 */
export function refuseNullComparisons(
  argument: GraphQLArgument,
  node: ValueNode,
  value: unknown,
): void {
  const fields: Fields = {};
  const places = new Map<string, string>();
  const refuse = ({ place, path }: Part, message: string) => {
    const field = path.join(".");
    fields[field] = [message];
    places.set(field, place);
  };
  findNulls({ type: argument.type, value, ...placeOf(node, argument.name), path: [] }, refuse);
  if (places.size === 0) return;
  throw new ValidationError(sentence(fields, "", places), fields);
}

function findNulls(part: Part, refuse: (part: Part, message: string) => void): void {
  const { value, node } = part;
  const type = getNullableType(part.type);
  if (isListType(type) && Array.isArray(value)) {
    value.forEach((item: unknown, i) => {
      const inner = node?.kind === Kind.LIST ? node.values[i] : undefined;
      findNulls(memberOf(part, type.ofType, `${i}`, item, inner), refuse);
    });
  } else if (isListType(type)) {
    findNulls({ ...part, type: type.ofType }, refuse);
  } else if (isInputObjectType(type) && typeof value === "object" && value !== null) {
    const members = Object.entries(value).flatMap(([name, item]: [string, unknown]) => {
      const field = Object.hasOwn(type.getFields(), name) ? type.getFields()[name] : undefined;
      const inner =
        node?.kind === Kind.OBJECT ? node.fields.find((of) => of.name.value === name) : undefined;
      const isGiven = field !== undefined && item !== undefined;
      return isGiven ? [memberOf(part, field.type, name, item, inner?.value)] : [];
    });
    if (type.extensions[operatorsMark] !== true) {
      for (const member of members) findNulls(member, refuse);
    } else if (members.every((member) => member.value === null)) {
      const message = "isNull" in type.getFields() ? refusal : refusalOfAggregate;
      for (const member of members) refuse(member, message);
    }
  }
}

function memberOf(
  { place, path }: Part,
  type: GraphQLInputType,
  name: string,
  value: unknown,
  node: ValueNode | undefined,
): Part {
  return { type, value, ...placeOf(node, `${place}.${name}`), path: [...path, name] };
}

/** Returns the place of a literal. That of a variable begins with its name. */
function placeOf(node: ValueNode | undefined, place: string): Pick<Part, "node" | "place"> {
  if (node?.kind !== Kind.VARIABLE) return { node, place };
  return { node: undefined, place: `$${node.name.value}` };
}
