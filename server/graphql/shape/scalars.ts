import { Kind, type ValueNode } from "graphql";

import { holdsRaw, isStorable, literal } from "../errors/input-faults.ts";
import { readText, readValue, type Scalar, scalars } from "../../model/scalars.ts";

/**
 * Refuses scalars in a wrong form, with the name of the field, before the database is queried. The forms
 * are in `model/scalars.ts`.
 */
export const ScalarsPlugin: GraphileConfig.Plugin = {
  name: "CrmScalarsPlugin",
  version: "1.0.0",
  description: "Accepts each scalar in one documented form, and JSON that is stored unchanged.",
  schema: {
    hooks: {
      GraphQLScalarType(config, build) {
        const { GraphQLError } = build.graphql;
        const refuse = (expectation: string) => new GraphQLError(`${config.name} ${expectation}`);
        if (config.name === "JSON") {
          return {
            ...config,
            parseLiteral(node, variables) {
              const value = literal(node, variables ?? {});
              if (!isStorable(value) || holdsRaw(literal(node))) {
                throw refuse("must be JSON that can be stored");
              }
              return value;
            },
          };
        }
        const scalar = scalars[config.name];
        if (scalar === undefined) return config;
        const orThrow = (text: string | undefined) => {
          if (text === undefined) throw refuse(scalar.expectation);
          return text;
        };
        return {
          ...config,
          parseValue: (value) => orThrow(readValue(scalar, value)),
          parseLiteral: (node) => orThrow(readLiteral(scalar, node)),
        };
      },
    },
  },
};

/** Reads a value of a GraphQL document, where numbers are text and so keep all digits. */
function readLiteral(scalar: Scalar, node: ValueNode): string | undefined {
  if (node.kind === Kind.STRING) return readText(scalar, node.value);
  const isNumber = node.kind === Kind.INT || node.kind === Kind.FLOAT;
  return isNumber && scalar.acceptsNumbers ? readText(scalar, node.value) : undefined;
}
