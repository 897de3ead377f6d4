import { sideEffect, trap, TRAP_ERROR, type ObjectStep } from "postgraphile/grafast";

import { NotFoundError } from "../../errors/classes.ts";

/**
 * Raises NOT_FOUND if the row of an update or delete does not exist, or is invisible to the user.
 * PostGraphile would return null for an update, and an internal error for a delete.
 */
export const NotFoundPlugin: GraphileConfig.Plugin = {
  name: "CrmNotFoundPlugin",
  version: "1.0.0",
  description: "Raises NOT_FOUND if an update or a delete finds no row.",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { isPgUpdateMutation, isPgDeleteMutation, pgFieldResource } = scope;
        const { plan } = field;
        if (!(isPgUpdateMutation ?? isPgDeleteMutation) || !pgFieldResource || !plan) return field;
        const entityType = build.inflection.tableFieldName(pgFieldResource);
        return {
          ...field,
          plan($root, args, info) {
            const $payload = plan($root, args, info) as ObjectStep;
            const $row = trap($payload.get("result"), TRAP_ERROR, {
              valueForError: "PASS_THROUGH",
            });
            sideEffect([$row, args.getRaw(["input", "id"])], ([row, id]) => {
              if (isAbsent(row)) throw new NotFoundError(entityType, String(id));
            });
            return $payload;
          },
        };
      },
    },
  },
};

/**
 * Returns whether no row was updated or deleted. For a delete, PostGraphile raises an error that is only
 * recognisable by its message.
 */
function isAbsent(row: unknown): boolean {
  return row == null || (row instanceof Error && row.message.startsWith("No values were deleted"));
}
