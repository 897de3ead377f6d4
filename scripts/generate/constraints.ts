import type { Constraints } from "../../server/errors/messages.ts";
import type { TableModel } from "./model.ts";

/**
 * Prints `constraints.ts`: what is said where PostgreSQL itself, and not the trigger that
 * validates, finds a constraint broken. The faulty value is not known then, so the message does
 * without.
 */
export function printConstraints(models: TableModel[]): string {
  const constraints: Constraints = {};
  for (const table of models) {
    for (const { constraint, field, message } of table.rules) {
      constraints[constraint] = {
        table: table.name,
        fields: [field],
        message: message.replace(/^%s /, ""),
      };
    }
  }
  return `
import type { Constraints } from "../../errors/messages.ts";

/** What clients are told about each constraint of the database. */
export const constraints: Constraints = ${JSON.stringify(constraints)};
`;
}
