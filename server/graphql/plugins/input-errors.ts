import { invalid } from "../documents.ts";
import { isStorable, variableFaults } from "../input-faults.ts";

/**
 * What a client sent wrongly is answered as a form needs it: VALIDATION_ERROR with every faulty
 * field. GraphQL's own answer is prose about types, one message for each fault and none that names
 * the field. See `../documents.ts` for what is written in a document itself.
 */
export const InputErrorsPlugin: GraphileConfig.Plugin = {
  name: "CrmInputErrorsPlugin",
  version: "1.0.0",
  description: "Names the faulty fields of variables.",
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const values = args.variableValues ?? {};
        const faults = () => variableFaults(args.schema, args.document, args.operationName, values);
        if (!isStorable(values)) return { errors: [invalid(faults())] };
        const result = await next();
        const refused = "errors" in result && result.data === undefined;
        const fields = refused ? faults() : {};
        return Object.keys(fields).length > 0 ? { errors: [invalid(fields)] } : result;
      },
    },
  },
};
