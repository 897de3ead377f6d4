import type { Constraints } from "../../server/errors/messages.ts";
import type { TableModel } from "./model.ts";

/**
 * Prints `constraints.ts`: the messages for constraints that PostgreSQL itself reports as violated, and not
 * the validating trigger. The faulty value is unknown then, so the messages do not quote it.
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

/** The messages of the database's constraints, by name. */
export const constraints: Constraints = ${JSON.stringify(constraints)};
`;
}
