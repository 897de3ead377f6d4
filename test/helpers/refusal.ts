import pg from "pg";

/** What is asserted of a refused statement: never its wording. */
export interface Refusal {
  readonly code: string | undefined;
  readonly constraint: string | undefined;
  readonly column: string | undefined;
  /** The faults by field, where the database names them. */
  readonly fields: Record<string, string[]> | undefined;
  readonly detail: string | undefined;
}

/**
 * The error that a statement meets. Within a transaction the statement is undone, so that the
 * transaction can go on.
 *
 * @throws Error when the statement is not refused.
 */
export async function refusal(
  client: pg.ClientBase,
  text: string,
  values: unknown[] = [],
): Promise<Refusal> {
  await client.query("savepoint refusal");
  try {
    await client.query(text, values);
  } catch (error) {
    await client.query("rollback to savepoint refusal");
    return describe(error);
  }
  throw new Error(`was not refused: ${text}`);
}

/** What became of a statement that ran beside another: done, or how it was refused. */
export async function outcome(statement: Promise<unknown>): Promise<"done" | Refusal> {
  try {
    await statement;
    return "done";
  } catch (error) {
    return describe(error);
  }
}

/** What is asserted of an error of the database. */
export function describe(error: unknown): Refusal {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const { code, constraint, column, detail } = error;
  return {
    code,
    constraint,
    column,
    detail,
    fields: detail?.startsWith("{") ? (JSON.parse(detail) as Record<string, string[]>) : undefined,
  };
}
