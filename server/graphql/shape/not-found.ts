import { sideEffect, trap, TRAP_ERROR, type ObjectStep } from "postgraphile/grafast";

import { NotFoundError } from "../../errors/classes.ts";

/**
 * A mutation of a row that does not exist, or that its user may not see, says so. PostGraphile
 * answers an update with null and a delete with an error for the log.
 */
export const NotFoundPlugin: GraphileConfig.Plugin = {
  name: "CrmNotFoundPlugin",
  version: "1.0.0",
  description: "Answers NOT_FOUND where an update or a delete finds no row.",
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
 * No row was updated; or none deleted, which PostGraphile only tells by the message of an error.
 */
function isAbsent(row: unknown): boolean {
  return row == null || (row instanceof Error && row.message.startsWith("No values were deleted"));
}
