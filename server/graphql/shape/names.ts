import type { PgClassSingleStep, PgCodec } from "postgraphile/@dataplan/pg";

/**
 * Names the primary key `id`. PostGraphile renames it to `rowId`, and reserves `id` for an encoded global
 * identifier; here a UUID is global already, see `nodes.ts`. The payload of a mutation that is a function has
 * a field named after the entity, like other payloads, instead of `result`. The list of the view
 * `crm.trash`, a word without plural, is `trash`. An external id has a `value`: caches such as that of Relay
 * take an `id` of any object for one that no other object has.
 */
export const NamesPlugin: GraphileConfig.Plugin = {
  name: "CrmNamesPlugin",
  version: "1.0.0",
  description: "Names the primary key `id`, and the result of a function after its entity.",
  inflection: {
    replace: {
      _attributeName(previous, _options, details) {
        return previous?.({ ...details, skipRowId: true }) ?? details.attributeName;
      },
      allRowsConnection(previous, _options, resource) {
        const isTrash = resource.extensions?.pg?.name === "trash";
        return isTrash ? "trash" : String(previous?.(resource) ?? resource.name);
      },
      functionMutationResultFieldName(_previous, _options, { resource }) {
        const codec = resource.codec as PgCodec;
        return codec.attributes ? this.camelCase(this.tableType(codec)) : "result";
      },
    },
  },
  schema: {
    hooks: {
      GraphQLObjectType_fields(fields, _build, { Self }) {
        const { id, ...others } = fields;
        if (Self.name !== "ExternalId" || id === undefined) return fields;
        return { ...others, value: { ...id, plan: ($id: PgClassSingleStep) => $id.get("id") } };
      },
    },
  },
};
