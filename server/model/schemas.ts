import { z } from "zod";

import { type Fields, ValidationError } from "../errors/classes.ts";
import { sentence } from "../errors/messages.ts";
import { typeFaults } from "./column-types.ts";
import type { Creates, Updates } from "./generated/rows.ts";
import { tables } from "./generated/tables.ts";
import {
  breaksTogether,
  checkFaults,
  countCharacters,
  type Fault,
  type Input,
  hasHidden,
  isBlank,
  withoutBlankBeginning,
} from "./rules.ts";
import type { Check, Column, Table } from "./tables.ts";

/** The schema of an input: a schema for each field, and no other keys. */
export type InputSchema<Input> = z.ZodObject<
  {
    [Field in keyof Input]-?: undefined extends Input[Field]
      ? z.ZodOptional<z.ZodType<Exclude<Input[Field], undefined>>>
      : z.ZodType<Input[Field]>;
  },
  z.core.$strict
>;

type Schemas<Inputs> = { readonly [Entity in keyof Inputs]: InputSchema<Inputs[Entity]> };

/** An entity that clients can write. */
export type EntityName = keyof Creates;

interface Options {
  operation: "create" | "update";
  /** Whether rules are checked, or only types. */
  rules: boolean;
}

/**
 * The schemas of inputs to create rows, by entity. They apply the rules of the database, except rules that
 * depend on other rows, and the rules of a definition's bounds, pattern and default.
 */
export const createSchemas = makeSchemas<Creates>({ operation: "create", rules: true });

/** The schemas of inputs to update rows, by entity. They apply the same rules as {@link createSchemas}. */
export const updateSchemas = makeSchemas<Updates>({ operation: "update", rules: true });

/** Schemas that check only whether the database can read an input; the database checks the rules. */
export const createTypeSchemas = makeSchemas<Creates>({ operation: "create", rules: false });

/** Like {@link createTypeSchemas}, for updates. */
export const updateTypeSchemas = makeSchemas<Updates>({ operation: "update", rules: false });

/**
 * The schema of the id of a user, which the audit log records. Names that begin with `db:` are reserved for
 * database sessions, and names that begin with `key:` for API keys.
 */
export const userIdSchema: z.ZodType<string> = z.unknown().superRefine((value, context) => {
  if (value == null) {
    addMessages(context, ["is required"]);
    return;
  }
  if (addFaults(context, typeFaults("text", value))) return;
  const userId = value as string;
  const messages: string[] = [];
  if (isBlank(userId)) messages.push("must not be blank");
  else if (hasHidden(userId)) messages.push("must not contain invisible characters");
  if (countCharacters(userId) > 255) messages.push("must have at most 255 characters");
  for (const prefix of ["db:", "key:"]) {
    if (withoutBlankBeginning(userId).toLowerCase().startsWith(prefix))
      messages.push(`must not begin with ${prefix}`);
  }
  addMessages(context, messages);
}) as z.ZodType<string>;

/**
 * Parses a value with a schema.
 *
 * @throws {ValidationError} with every fault, by field.
 */
export function parse<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = toFields(parsed.error);
  throw new ValidationError(sentence(fields, "The input is not valid"), fields);
}

/** Converts the issues of zod to messages by field: `customFields.industry`, `tasks.0.description`. */
export function toFields(error: z.ZodError): Fields {
  const fields = new Map<string, Set<string>>();
  const add = (path: PropertyKey[], message: string) => {
    const field = path.length === 0 ? "input" : path.join(".");
    fields.set(field, (fields.get(field) ?? new Set()).add(message));
  };
  for (const issue of error.issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        add([...issue.path, key], "is not a field that can be given here");
      }
    } else {
      add(issue.path, issue.message);
    }
  }
  return Object.fromEntries([...fields].map(([field, messages]) => [field, [...messages]]));
}

/** Adds messages as issues of a schema, or of a path below it. */
export function addMessages(
  context: z.core.$RefinementCtx,
  messages: readonly string[],
  path: PropertyKey[] = [],
): void {
  for (const message of messages) context.addIssue({ code: "custom", message, path });
}

/**
 * Adds faults as issues of a schema.
 *
 * @returns whether there are any faults.
 */
export function addFaults(context: z.core.$RefinementCtx, faults: readonly Fault[]): boolean {
  for (const { path, message } of faults) addMessages(context, [message], [...path]);
  return faults.length > 0;
}

function makeSchemas<Inputs>(options: Options): Schemas<Inputs> {
  const written = Object.entries<Table>(tables).filter(([, table]) =>
    Object.values(table.columns).some((column) => column.insertable),
  );
  return Object.fromEntries(
    written.map(([entity, table]) => [entity, makeSchema(table, options)]),
  ) as Schemas<Inputs>;
}

function makeSchema(table: Table, options: Options): z.ZodType {
  const shape: Record<string, z.ZodType> = {};
  for (const [field, column] of Object.entries(table.columns)) {
    if (options.operation === "create" ? !column.insertable : !column.updatable) continue;
    const checks = options.rules ? table.checks.filter((check) => check.field === field) : [];
    const schema = makeFieldSchema(column, checks, options);
    shape[field] = isRequired(column, options) ? schema : schema.optional();
  }
  let schema = z.strictObject(shape, { error: unreadable });
  for (const check of options.rules ? table.checks : []) {
    if (!("other" in check)) continue;
    // In a new row, an omitted field is null.
    const absent = options.operation === "create" ? { [check.field]: null } : {};
    schema = schema.refine((row) => !breaksTogether(check, { ...absent, ...present(row) }), {
      path: [check.field],
      error: check.message,
      when: () => true,
    });
  }
  return schema;
}

/** Returns the members of an input that are not undefined. */
function present(row: object): Input {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

/** Returns the message for an input that is not an object. Other issues have their own messages. */
function unreadable(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_type" ? "must be an object" : undefined;
}

function makeFieldSchema(column: Column, checks: Check[], options: Options): z.ZodType {
  return z.unknown().superRefine((value, context) => {
    if (value == null) {
      if (mustHaveValue(column, options)) addMessages(context, ["is required"]);
      return;
    }
    if (addFaults(context, typeFaults(column.type, value))) return;
    for (const check of checks) addFaults(context, checkFaults(check, value));
  });
}

/** Returns whether null is refused. */
function mustHaveValue(column: Column, { operation, rules }: Options): boolean {
  const found =
    column.derived === "always" || (operation === "create" && column.derived === "once");
  return rules && column.required && !found;
}

/** Returns whether the field must not be omitted. */
function isRequired(column: Column, options: Options): boolean {
  return (
    options.operation === "create" && column.default === undefined && mustHaveValue(column, options)
  );
}
