import { setImmediate as nextTurn } from "node:timers/promises";

import type { CompiledOperations } from "./operations.ts";

/** A persisted operation that is not compiled. */
export interface NotCompiled {
  /** The name of the operation, or the id of its document if it has none. */
  readonly operation: string;
  /** Such as `Contact.duplicates is not compiled`. */
  readonly reason: string;
}

/**
 * Compiles the operations of documents, one by one; between them requests are served.
 *
 * @param documents by id. Documents that are not valid are skipped: `checkPersistedOperations` reports them.
 * @returns those that Grafast executes, with the reason.
 */
export async function compileAll(
  compiled: CompiledOperations,
  documents: Iterable<readonly [id: string, document: string]>,
): Promise<NotCompiled[]> {
  const found: NotCompiled[] = [];
  for (const [id, text] of documents) {
    const operation = compiled.find(text, undefined);
    const reason = operation?.refusal();
    if (reason !== undefined) {
      found.push({ operation: operation?.definition.name?.value ?? id, reason });
    }
    await nextTurn();
  }
  return found;
}
