import type { GrafastInputFieldConfig } from "postgraphile/grafast";

import { ValidationError } from "../../errors/classes.ts";

/**
 * `includes`, `startsWith`, `endsWith` and similar filters take a literal text. The filter plugin escapes
 * `%` and `_`, but not the escape character itself: PostgreSQL would refuse a text that ends with a
 * backslash.
 *
 * `like` and similar filters take a pattern. A pattern that ends with its escape character is invalid, but
 * PostgreSQL only raises the error when it compares a value, so not for an empty table or with some
 * indexes. Here it always raises VALIDATION_ERROR.
 */
export const LikePatternsPlugin: GraphileConfig.Plugin = {
  name: "CrmLikePatternsPlugin",
  version: "1.0.0",
  description:
    "Escapes backslashes in texts that become LIKE patterns, and refuses invalid patterns.",
  after: ["PgConnectionArgFilterPlugin"],
  schema: {
    hooks: {
      build(build) {
        build.escapeLikeWildcards = (input) => escapeWildcards(String(input));
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

/** Escapes what has a meaning in a LIKE pattern. */
export function escapeWildcards(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}

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

/** Returns whether the last character of a pattern is an unescaped backslash. */
function endsEscaping(pattern: string): boolean {
  let backslashes = 0;
  while (pattern.at(-1 - backslashes) === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}
