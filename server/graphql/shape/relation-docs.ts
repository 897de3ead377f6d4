/**
 * A reference to another row is described like its column: "The company that the contact works for". A
 * smart tag, `@forwardDescription` or `@backwardDescription`, has precedence.
 *
 * PostGraphile would show the comment of the foreign key, which is the message of its violation.
 */
export const RelationDocsPlugin: GraphileConfig.Plugin = {
  name: "CrmRelationDocsPlugin",
  version: "1.0.0",
  description: "Describes relations by their columns, not by the messages of foreign keys.",
  gather: {
    hooks: {
      pgRelations_relation(_info, { relation }) {
        const { forwardDescription, backwardDescription } = relation.extensions?.tags ?? {};
        const tag = relation.isReferencee ? backwardDescription : forwardDescription;
        const [name, ...others] = relation.localAttributes;
        const column =
          relation.isReferencee || name === undefined || others.length > 0
            ? undefined
            : relation.localCodec.attributes[name]?.description;
        relation.description =
          typeof tag === "string" ? tag : column?.replace(/^The (id|name) of the /, "The ");
      },
    },
  },
};
