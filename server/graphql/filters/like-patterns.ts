import type { GrafastInputFieldConfig } from "postgraphile/grafast";

import { ValidationError } from "../../errors/classes.ts";

/**
 * `includes`, `startsWith`, `endsWith` and their like take their text literally. The filter plugin
 * escapes `%` and `_` but not the escape character itself, so that a text that ends with a
 * backslash is refused by PostgreSQL.
 *
 * `like` and its like take a pattern. One that ends with its escape character is none; PostgreSQL
 * says so when it compares the first value, which an empty table or an index may not let it come to.
 * So it is refused here, whatever there is to compare.
 */
export const LikePatternsPlugin: GraphileConfig.Plugin = {
  name: "CrmLikePatternsPlugin",
  version: "1.0.0",
  description:
    "Escapes backslashes in texts that become LIKE patterns, and refuses broken patterns.",
  after: ["PgConnectionArgFilterPlugin"],
  schema: {
    hooks: {
      build(build) {
        build.escapeLikeWildcards = (input) => String(input).replace(/[\\%_]/g, "\\$&");
        return build;
      },
      GraphQLInputObjectType_fields_field(field, _build, { scope }) {
        const { apply }: GrafastInputFieldConfig = field;
        if (!scope.isPgConnectionFilterField || !apply) return field;
        const amended: GrafastInputFieldConfig = {
          ...field,
          apply(parent, value, info) {
            refuseBrokenPatterns(scope.fieldName, value);
            return apply(parent, value, info) as unknown;
          },
        };
        return amended;
      },
    },
  },
};

const patterns = ["like", "notLike", "likeInsensitive", "notLikeInsensitive"];

function refuseBrokenPatterns(field: string, operators: unknown): void {
  for (const [operator, pattern] of Object.entries(operators ?? {})) {
    if (typeof pattern !== "string" || !patterns.includes(operator)) continue;
    if (!endsEscaping(pattern)) continue;
    throw new ValidationError("A pattern ends with its escape character", {
      [`${field}.${operator}`]: ["must not end with a single backslash"],
    });
  }
}

/** Whether the last character of a pattern is a backslash that no other one escapes. */
function endsEscaping(pattern: string): boolean {
  let backslashes = 0;
  while (pattern.at(-1 - backslashes) === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}
