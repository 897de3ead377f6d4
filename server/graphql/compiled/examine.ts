import { pino } from "pino";

import { makeApi } from "../schema/sdl.ts";
import type { Limits } from "../limits/limits.ts";
import { openPersistedOperations } from "../persisted/operations.ts";
import { createCompiledOperations } from "./operations.ts";
import { compileAll } from "./report.ts";

/**
 * Returns a note for each persisted operation that is not compiled to one statement.
 *
 * @param serverUrl of the database, with the login of `crm_server`.
 * @param folder of persisted operations.
 * @throws if the folder cannot be read.
 */
export async function examineOperations(
  serverUrl: string,
  folder: string,
  limits: Limits,
): Promise<string[]> {
  const { all } = openPersistedOperations(folder, pino({ level: "silent" }));
  const compiled = createCompiledOperations(await makeApi(serverUrl), limits);
  const found = await compileAll(compiled, all());
  return found.map(
    ({ operation, reason }) =>
      `The persisted operation ${operation} is executed without compilation: ${reason}.`,
  );
}
