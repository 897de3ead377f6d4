import type { GraphQLSchema } from "graphql";

/** The types that a reader of the documentation looks for first. All others follow by name. */
const firstTypes: readonly string[] = [
  ...["Company", "Contact", "Deal", "Task", "Note", "PipelineStage"],
  ...["CustomFieldDefinition", "ExchangeRate", "AuditLog", "Query", "Mutation"],
];

/** The fields of the root query that are listed first. All others follow by name. */
const firstFields: readonly string[] = [
  ...["companies", "contacts", "deals", "tasks", "notes", "search", "pipelineStages"],
  ...["company", "contact", "deal", "task", "note", "pipelineStage"],
];

/**
 * Orders the types of the schema, and the fields of the root query, as introspection returns them: the
 * documentation in GraphiQL and in other tools begins with the entities.
 */
export const DocsOrderPlugin: GraphileConfig.Plugin = {
  name: "CrmDocsOrderPlugin",
  version: "1.0.0",
  description: "Lists the entities first in introspection.",
  schema: {
    hooks: {
      GraphQLSchema: (config) => ({
        ...config,
        description:
          "The API of pgcrm. The types of the entities come first; begin with Company, Contact and " +
          "Deal. The lists of Query take filters, orders and pages.",
      }),
      finalize: {
        after: ["default"],
        callback(schema: GraphQLSchema) {
          reorder(schema.getTypeMap(), firstTypes);
          const query = schema.getQueryType();
          if (query) reorder(query.getFields(), firstFields);
          return schema;
        },
      },
    },
  },
};

/** Changes the order of the members of an object. */
function reorder<Value>(object: Record<string, Value>, first: readonly string[]): void {
  const rank = (name: string) => first.indexOf(name) + 1 || first.length + 1;
  const sorted = Object.entries(object).sort(
    ([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : 1),
  );
  for (const [name, value] of sorted) {
    Reflect.deleteProperty(object, name);
    object[name] = value;
  }
}
