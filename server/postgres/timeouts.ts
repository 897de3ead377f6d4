/** The timeouts of the parts of a request, in milliseconds. */
export interface Timeouts {
  /** For receiving a request. */
  readonly request: number;
  /** For an idle client connection. */
  readonly keepAlive: number;
  /** For one statement in the database. */
  readonly statement: number;
  /** For a statement's wait for a lock. */
  readonly lock: number;
  /** For a transaction that is idle between two statements. */
  readonly idleInTransaction: number;
  /** For the wait for a free database connection. */
  readonly pool: number;
  /** For the turn of a mutation that writes many rows. */
  readonly writeTurn: number;
  /** For planning an operation that is not cached. */
  readonly planning: number;
  /** For all statements of an operation together. No statement is started after it. */
  readonly execution: number;
}
