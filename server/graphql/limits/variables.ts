import {
  getDirectiveValues,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  valueFromASTUntyped,
  type OperationDefinitionNode,
  type SelectionNode,
} from "graphql";

/** The values of variables, by name. */
export type Values = Readonly<Record<string, unknown>>;

/** Returns the declared variables of an operation with the values sent, or their defaults. */
export function variablesOf(operation: OperationDefinitionNode, given: Values): Values {
  const values: Record<string, unknown> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    const name = variable.name.value;
    if (given[name] !== undefined) values[name] = given[name];
    else if (defaultValue) values[name] = valueFromASTUntyped(defaultValue);
  }
  return values;
}

/**
 * Returns values that note which of them are read.
 *
 * @param operation the operation that declares the variables.
 * @param read receives the names of those that are read.
 */
export function watchValues(
  { variableDefinitions }: OperationDefinitionNode,
  values: Values,
  read: Set<string>,
): Values {
  const watched = {};
  for (const { variable } of variableDefinitions ?? []) {
    const name = variable.name.value;
    const get = () => {
      read.add(name);
      return values[name];
    };
    Object.defineProperty(watched, name, { get, enumerable: true });
  }
  return watched;
}

/** Returns whether `@skip` and `@include` keep a selection. */
export function isIncluded(selection: SelectionNode, values: Values): boolean {
  try {
    const skip = getDirectiveValues(GraphQLSkipDirective, selection, values);
    const include = getDirectiveValues(GraphQLIncludeDirective, selection, values);
    return skip?.if !== true && include?.if !== false;
  } catch {
    return true; // the variable has no value; execution reports it
  }
}

/** Returns whether a value has more levels of objects and lists. Stops at that depth. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (!isObject(value)) return false;
  const isTooDeep = (member: unknown) => levels === 0 || isDeeper(member, levels - 1);
  if (Array.isArray(value)) return value.some(isTooDeep);
  // Much faster than creating a list of the values of each object.
  for (const name in value) if (isTooDeep(value[name as keyof typeof value])) return true;
  return false;
}

/** Whether a value is an object or a list. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
