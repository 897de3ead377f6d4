import type { PgResource } from "postgraphile/@dataplan/pg";

/**
 * Lets lists that functions return be ordered and paged like tables, in both directions, if their rows have a
 * primary key: that of a table, or of the smart tag `@primaryKey` of a type. Others have the order of the
 * function, and are paged by the number of the row.
 */
export const FunctionListsPlugin: GraphileConfig.Plugin = {
  name: "CrmFunctionListsPlugin",
  version: "1.0.0",
  description: "Adds orders and backward pages to lists that functions return.",
  gather: {
    hooks: {
      pgProcedures_PgResourceOptions(_info, { pgProc, resourceOptions }) {
        if (!pgProc.proretset || resourceOptions.isMutation) return;
        const row = pgProc.getReturnType()?.getClass();
        const key = row?.getConstraints().find(({ contype }) => contype === "p");
        if (!row || !key?.conkey) return;
        const columns = new Map(
          row.getAttributes().map(({ attnum, attname }) => [attnum, attname]),
        );
        const attributes = key.conkey.map((number) => columns.get(number) ?? "");
        resourceOptions.uniques = [{ attributes, isPrimary: true }];
        // It is ordered by the list, so relations of a row can be joined.
        resourceOptions.hasImplicitOrder = false;
      },
    },
  },
  schema: {
    entityBehavior: {
      pgResource: {
        override: (behavior, resource: PgResource) =>
          resource.parameters && !resource.isUnique && resource.uniques.length > 0
            ? [behavior, "resource:connection:backwards", "order"]
            : behavior,
      },
    },
  },
};
