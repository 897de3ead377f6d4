import pg from "pg";

import { UnavailableError } from "../errors/classes.ts";
import { gone } from "../errors/messages.ts";

/** SQLSTATEs of a refused login: by password, role or database, or for want of a right. */
const refusals = /^(?:28|3D|42501)/;

/** Whether PostgreSQL has refused a login. */
export function isRefusedLogin(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && refusals.test(error.code ?? "");
}

/**
 * Returns the error that clients get if connecting has failed. They cannot mend a refused login of the
 * server: for them the database is away.
 */
export function explainLogin<Reason>(error: Reason): Reason | UnavailableError {
  return isRefusedLogin(error) ? new UnavailableError(gone, error) : error;
}
