/** How long the parts of a request may take, in milliseconds. */
export interface Timeouts {
  /** A client's sending of one request. */
  readonly request: number;
  /** A connection's wait for its client's next request. */
  readonly keepAlive: number;
  /** One statement in the database. */
  readonly statement: number;
  /** A statement's wait for what another transaction has locked. */
  readonly lock: number;
  /** A transaction between two statements. */
  readonly idleInTransaction: number;
  /** The wait for a free connection to the database. */
  readonly pool: number;
  /** The wait of a mutation that writes many rows for its turn. */
  readonly writeTurn: number;
  /** Planning an operation that is not known yet. */
  readonly planning: number;
  /** All statements of an operation together; later ones are not begun. */
  readonly execution: number;
}
