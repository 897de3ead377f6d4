import pg from "pg";

import { UnavailableError } from "../errors/classes.ts";

/** What PostgreSQL says to a login that it does not take: a password, a role, a database, a right. */
const refusals = /^(?:28|3D|42501)/;

/** Whether an error of connecting says that the login is refused. */
export function isRefusedLogin(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && refusals.test(error.code ?? "");
}

/**
 * What clients are told of an error of connecting. A login that is refused is nothing that they could
 * mend: the database is away for them.
 */
export function explainLogin<Reason>(error: Reason): Reason | UnavailableError {
  return isRefusedLogin(error)
    ? new UnavailableError("The database is not available; please try again in a while", error)
    : error;
}
