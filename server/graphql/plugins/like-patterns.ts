/**
 * `includes`, `startsWith`, `endsWith` and their like take their text literally. The filter plugin
 * escapes `%` and `_` but not the escape character itself, so that a text that ends with a
 * backslash is refused by PostgreSQL.
 */
export const LikePatternsPlugin: GraphileConfig.Plugin = {
  name: "CrmLikePatternsPlugin",
  version: "1.0.0",
  description: "Escapes backslashes in the texts that become LIKE patterns.",
  after: ["PgConnectionArgFilterPlugin"],
  schema: {
    hooks: {
      build(build) {
        build.escapeLikeWildcards = (input) => String(input).replace(/[\\%_]/g, "\\$&");
        return build;
      },
    },
  },
};
