import type { PgCodec } from "postgraphile/@dataplan/pg";

/**
 * The primary key is called `id`. PostGraphile renames it to `rowId` to leave `id` to Relay's
 * global identifier, which this API does not have: a row's UUID is global enough. And a mutation
 * that is a function answers like the others, with a field named after the entity instead of
 * `result`. The trash, which has no plural, is `trash`.
 */
export const NamesPlugin: GraphileConfig.Plugin = {
  name: "CrmNamesPlugin",
  version: "1.0.0",
  description: "Calls the primary key `id`, and the result of a function by its entity.",
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
};
