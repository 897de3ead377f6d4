/**
 * A comment on a constraint is what a client is told when it is broken. PostGraphile would show
 * that of a foreign key as the description of the relation; only an explicit tag,
 * `@forwardDescription`, is one.
 */
export const RelationDocsPlugin: GraphileConfig.Plugin = {
  name: "CrmRelationDocsPlugin",
  version: "1.0.0",
  description: "Keeps the messages of foreign keys out of the documentation.",
  gather: {
    hooks: {
      pgRelations_relation(_info, { relation }) {
        const { forwardDescription, backwardDescription } = relation.extensions?.tags ?? {};
        const description = relation.isReferencee ? backwardDescription : forwardDescription;
        relation.description = typeof description === "string" ? description : undefined;
      },
    },
  },
};
