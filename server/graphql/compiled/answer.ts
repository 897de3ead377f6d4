import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { parseAsWritten } from "../../model/exact-json.ts";
import type { Prepared } from "./operations.ts";
import type { Statement } from "./compile.ts";
import type { Values } from "../limits/variables.ts";

/**
 * Executes a compiled operation.
 *
 * @returns the body of the response; undefined if no row was written, which is an error of a mutation.
 * @throws the error of the database.
 */
export async function execute(
  statement: Statement,
  { isMutation }: Prepared,
  variables: Values,
  pgSettings: Readonly<Record<string, string>>,
  withPgClient: WithPgClient,
): Promise<string | undefined> {
  const { text, parameters, hasJson, name } = statement;
  const values = parameters.map((read) => read(variables));
  const { rows } = await withPgClient(pgSettings, (client) =>
    client.query<[string | null]>({ text, values: values as never, name, arrayMode: true }),
  );
  const data = rows[0]?.[0];
  if (data == null) {
    if (isMutation) return undefined;
    throw new Error("The statement of a query returned no row");
  }
  return `{"data":${hasJson ? JSON.stringify(parseAsWritten(data)) : data}}`;
}
