import type { ExecutionArgs } from "graphql";

import { faultsInDocument, invalid } from "./documents.ts";
import { type InputFaults, isStorable, type NamingRules, variableFaults } from "./input-faults.ts";
import { faultsOfNewRows } from "./new-row-faults.ts";

/**
 * Returns faulty input as a form needs it: VALIDATION_ERROR with all faulty fields. GraphQL itself would
 * return a message about types for each fault, without the name of the field. The message names each
 * variable with its value, for developers. Literals in a document are checked in `documents.ts`.
 *
 * If a row was to be created, the database checks its other fields, so that a form gets all faults at once.
 *
 * @param naming whether errors suggest names for misspelt fields.
 */
export function createInputErrorsPlugin(naming: NamingRules): GraphileConfig.Plugin {
  return {
    name: "CrmInputErrorsPlugin",
    version: "1.0.0",
    description: "Names the faulty fields of a request.",
    grafast: {
      middleware: {
        async execute(next, { args }) {
          const { schema, document, operationName, variableValues } = args;
          const values = variableValues ?? {};
          // During a mutation the context has another one, which ends with the mutation.
          const { withPgClient } = args.contextValue as Grafast.Context;
          const faults = () => variableFaults(schema, document, operationName, values, naming);
          const refuse = async (found: InputFaults) => ({
            errors: [invalid(await completed(args, found, withPgClient))],
          });

          const written = faultsInDocument(document);
          if (written !== undefined) return refuse(merged(faults(), written));
          if (!isStorable(values)) return refuse(faults());
          const result = await next();
          const isRefused = "errors" in result && result.data === undefined;
          const found = isRefused ? faults() : undefined;
          const isFaulty = found !== undefined && Object.keys(found.fields).length > 0;
          return isFaulty ? refuse(found) : result;
        },
      },
    },
  };
}

function merged(one: InputFaults, other: InputFaults): InputFaults {
  return {
    fields: { ...one.fields, ...other.fields },
    places: new Map([...one.places, ...other.places]),
  };
}

/** Adds the faults that the database finds in the other fields. */
async function completed(
  args: ExecutionArgs,
  { fields, places }: InputFaults,
  withPgClient: Grafast.Context["withPgClient"],
): Promise<InputFaults> {
  try {
    const found = await faultsOfNewRows(args, fields, withPgClient);
    return { fields: { ...found, ...fields }, places };
  } catch {
    // The database is unavailable, or the role lacks the right: the known faults are enough.
    return { fields, places };
  }
}
