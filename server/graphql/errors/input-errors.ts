import type { ExecutionArgs } from "graphql";

import type { Fields } from "../../errors/classes.ts";
import { faultsInDocument, invalid } from "./documents.ts";
import { isStorable, variableFaults } from "./input-faults.ts";
import { faultsOfNewRows } from "./new-row-faults.ts";

/**
 * Returns faulty input as a form needs it: VALIDATION_ERROR with all faulty fields. GraphQL itself would
 * return a message about types for each fault, without the name of the field. Literals in a document are
 * checked in `documents.ts`.
 *
 * If a row was to be created, the database checks its other fields, so that a form gets all faults at once.
 */
export const InputErrorsPlugin: GraphileConfig.Plugin = {
  name: "CrmInputErrorsPlugin",
  version: "1.0.0",
  description: "Names the faulty fields of a request.",
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const values = args.variableValues ?? {};
        // During a mutation the context has another one, which ends with the mutation.
        const { withPgClient } = args.contextValue as Grafast.Context;
        const faults = () => variableFaults(args.schema, args.document, args.operationName, values);
        const refuse = async (fields: Fields) => ({
          errors: [invalid(await completed(args, fields, withPgClient))],
        });

        const written = faultsInDocument(args.document);
        if (written !== undefined) return refuse({ ...faults(), ...written });
        if (!isStorable(values)) return refuse(faults());
        const result = await next();
        const refused = "errors" in result && result.data === undefined;
        const fields = refused ? faults() : {};
        return Object.keys(fields).length > 0 ? refuse(fields) : result;
      },
    },
  },
};

/** Adds the faults that the database finds in the other fields. */
async function completed(
  args: ExecutionArgs,
  fields: Fields,
  withPgClient: Grafast.Context["withPgClient"],
): Promise<Fields> {
  try {
    return { ...(await faultsOfNewRows(args, fields, withPgClient)), ...fields };
  } catch {
    // The database is unavailable, or the role lacks the right: the known faults are enough.
    return fields;
  }
}
