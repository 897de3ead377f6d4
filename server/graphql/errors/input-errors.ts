import type { ExecutionArgs } from "graphql";

import type { Fields } from "../../errors/classes.ts";
import { faultsInDocument, invalid } from "./documents.ts";
import { isStorable, variableFaults } from "./input-faults.ts";
import { faultsOfNewRows } from "./new-row-faults.ts";

/**
 * What a client sent wrongly is answered as a form needs it: VALIDATION_ERROR with every faulty
 * field. GraphQL's own answer is prose about types, one message for each fault and none that names
 * the field. See `../documents.ts` for what is written in a document itself.
 *
 * Where a row was to be created, the database says what else is wrong with it, so that a form is told
 * everything at once.
 */
export const InputErrorsPlugin: GraphileConfig.Plugin = {
  name: "CrmInputErrorsPlugin",
  version: "1.0.0",
  description: "Names the faulty fields of a request.",
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const values = args.variableValues ?? {};
        // A mutation has another one meanwhile, which ends with it.
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

/** Adds what the database finds wrong with the fields that can be read. */
async function completed(
  args: ExecutionArgs,
  fields: Fields,
  withPgClient: Grafast.Context["withPgClient"],
): Promise<Fields> {
  try {
    return { ...(await faultsOfNewRows(args, fields, withPgClient)), ...fields };
  } catch {
    // It cannot be asked, or not by this role: what is known is wrong all the same.
    return fields;
  }
}
