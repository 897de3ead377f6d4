import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from "graphql";
import { TYPES } from "postgraphile/@dataplan/pg";

import { holdsRaw, isStorable, literal } from "../errors/input-faults.ts";
import { readText, readValue, type Scalar, scalars } from "../../model/scalars.ts";

/**
 * Refuses scalars in a wrong form, with the name of the field, before the database is queried. The forms
 * are in `model/scalars.ts`. A UUID is an `ID`, for which clients have a type of their own.
 */
export const ScalarsPlugin: GraphileConfig.Plugin = {
  name: "CrmScalarsPlugin",
  version: "1.0.0",
  description: "Accepts each scalar in one documented form, and JSON that is stored unchanged.",
  schema: {
    hooks: {
      build(build) {
        // The library has the type of GraphQL, which takes any text and integer.
        build.getAllTypes().ID = new GraphQLScalarType({
          name: "ID",
          ...parsers("ID", scalars.ID),
        });
        return build;
      },
      init: {
        before: ["PgCodecs"],
        callback(_, build) {
          build.setGraphQLTypeForPgCodec(TYPES.uuid, ["input", "output"], "ID");
          return _;
        },
      },
      GraphQLScalarType(config) {
        if (config.name === "JSON") {
          return {
            ...config,
            parseLiteral(node, variables) {
              const value = literal(node, variables ?? {});
              if (!isStorable(value) || holdsRaw(literal(node))) {
                throw new GraphQLError("JSON must be JSON that can be stored");
              }
              return value;
            },
          };
        }
        const scalar = scalars[config.name];
        return scalar === undefined ? config : { ...config, ...parsers(config.name, scalar) };
      },
    },
  },
};

/** Creates the functions with which a scalar reads variables and literals. */
function parsers(name: string, scalar: Scalar) {
  const orThrow = (text: string | undefined) => {
    if (text === undefined) throw new GraphQLError(`${name} ${scalar.expectation}`);
    return text;
  };
  return {
    parseValue: (value: unknown) => orThrow(readValue(scalar, value)),
    parseLiteral: (node: ValueNode) => orThrow(readLiteral(scalar, node)),
  };
}

/** Reads a value of a GraphQL document, where numbers are text and so keep all digits. */
function readLiteral(scalar: Scalar, node: ValueNode): string | undefined {
  if (node.kind === Kind.STRING) return readText(scalar, node.value);
  const isNumber = node.kind === Kind.INT || node.kind === Kind.FLOAT;
  return isNumber && scalar.acceptsNumbers ? readText(scalar, node.value) : undefined;
}
