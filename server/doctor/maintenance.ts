import type { Pool } from "pg";
import type { Logger } from "pino";

/** The intervals of maintenance, in milliseconds. */
export interface MaintenanceIntervals {
  /** Between two times of sealing the audit log. */
  readonly seal: number;
  /** Between two times of creating partitions, purging the trash, and expiring idempotency keys. */
  readonly maintain: number;
}

/** The maintenance of the database while a server runs. */
export interface Maintenance {
  /** Starts no more work. Running statements complete, or end with their connection. */
  stop(): void;
}

/** How many entries one statement seals, so that it stays within the statement timeout. */
const batch = 50_000;

/**
 * Seals the audit log, creates its partitions, purges the trash and deletes expired idempotency keys,
 * immediately and then at intervals. Several servers may do this at the same time: they wait for each
 * other, or skip the work.
 *
 * A failure is logged, and the work is tried again after the interval.
 *
 * @param pool connections as `crm_server`.
 * @param intervals in milliseconds.
 * @param logger receives failures.
 */
export function startMaintenance(
  pool: Pool,
  intervals: MaintenanceIntervals,
  logger: Logger,
): Maintenance {
  const stopping = new AbortController();
  repeat(() => sealAuditLog(pool, stopping.signal), intervals.seal, "seal the audit log");
  repeat(
    () => untilNothing(pool, "crm_private.maintain_audit_log()", stopping.signal),
    intervals.maintain,
    "maintain the audit log",
  );
  repeat(
    () => untilNothing(pool, "crm_private.expire_idempotency_keys()", stopping.signal),
    intervals.maintain,
    "expire idempotency keys",
  );

  function repeat(work: () => Promise<void>, interval: number, name: string): void {
    const run = async (): Promise<void> => {
      try {
        await work();
      } catch (error) {
        if (!stopping.signal.aborted) logger.warn({ err: error }, `could not ${name}`);
      }
      if (!stopping.signal.aborted) setTimeout(() => void run(), interval).unref();
    };
    void run();
  }

  return { stop: () => stopping.abort() };
}

async function sealAuditLog(pool: Pool, signal: AbortSignal): Promise<void> {
  let sealed = batch;
  while (sealed >= batch && !signal.aborted) {
    const { rows } = await pool.query<{ sealed: string }>(
      "select crm_private.seal_audit_log($1) as sealed",
      [batch],
    );
    sealed = Number(rows[0]?.sealed);
  }
}

/** Calls a function that does a part of its work and returns how much, until it returns zero. */
async function untilNothing(pool: Pool, call: string, signal: AbortSignal): Promise<void> {
  let done = 1;
  while (done > 0 && !signal.aborted) {
    const { rows } = await pool.query<{ done: number }>(`select ${call} as done`);
    done = rows[0]?.done ?? 0;
  }
}
