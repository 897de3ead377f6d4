import { readLiteral, readValue, scalars } from "../scalars.ts";

/** See `../scalars.ts`: wrong forms are refused with the name of the field, before anything reaches the database. */
export const ScalarsPlugin: GraphileConfig.Plugin = {
  name: "CrmScalarsPlugin",
  version: "1.0.0",
  description: "Accepts scalars in one documented form each.",
  schema: {
    hooks: {
      GraphQLScalarType(config, build) {
        const scalar = scalars[config.name];
        if (scalar === undefined) return config;
        const { GraphQLError } = build.graphql;
        const orThrow = (text: string | undefined) => {
          if (text === undefined) throw new GraphQLError(`${config.name} ${scalar.expectation}`);
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
