import type { Pool } from "pg";
import type { Logger } from "pino";

/** How often the database is looked after, in milliseconds. */
export interface MaintenanceIntervals {
  /** Sealing what has been written. */
  readonly seal: number;
  /** Making partitions, purging the trash, and forgetting idempotency keys. */
  readonly maintain: number;
}

/** The looking after the database while a server runs. */
export interface Maintenance {
  /** Begins nothing any more. What runs ends by itself, or with its connection. */
  stop(): void;
}

/** How many entries one statement seals, lest it takes longer than a statement may. */
const batch = 50_000;

/**
 * Seals the audit log, makes its partitions, purges the trash and forgets idempotency keys that have
 * expired, at once and then again and again. All of it may be done by several servers at once: they
 * take turns, or leave it to each other.
 *
 * What fails is logged, and tried again when it is time.
 *
 * @param pool logs in as `crm_server`.
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
    "forget idempotency keys",
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

/** Calls a function that does a part of its work, and tells how much, until nothing is left to do. */
async function untilNothing(pool: Pool, call: string, signal: AbortSignal): Promise<void> {
  let done = 1;
  while (done > 0 && !signal.aborted) {
    const { rows } = await pool.query<{ done: number }>(`select ${call} as done`);
    done = rows[0]?.done ?? 0;
  }
}
