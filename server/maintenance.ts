import type { Pool } from "pg";
import type { Logger } from "pino";

/** How often the journal is looked after, in milliseconds. */
export interface MaintenanceIntervals {
  /** Sealing what has been written. */
  readonly seal: number;
  /** Making partitions, and purging the trash. */
  readonly maintain: number;
}

/** The looking after the journal while a server runs. */
export interface Maintenance {
  /** Begins nothing any more. What runs ends by itself, or with its connection. */
  stop(): void;
}

/** How many entries one statement seals, lest it takes longer than a statement may. */
const batch = 50_000;

/**
 * Seals the journal, makes its partitions and purges the trash, at once and then again and again. All
 * of it may be done by several servers at once: they take turns, or leave it to each other.
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
  repeat(() => sealJournal(pool, stopping.signal), intervals.seal, "seal the journal");
  repeat(() => maintainJournal(pool, stopping.signal), intervals.maintain, "maintain the journal");

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

async function sealJournal(pool: Pool, signal: AbortSignal): Promise<void> {
  let sealed = batch;
  while (sealed >= batch && !signal.aborted) {
    const { rows } = await pool.query<{ sealed: string }>(
      "select crm_private.seal_journal($1) as sealed",
      [batch],
    );
    sealed = Number(rows[0]?.sealed);
  }
}

async function maintainJournal(pool: Pool, signal: AbortSignal): Promise<void> {
  let purged = 1;
  while (purged > 0 && !signal.aborted) {
    const { rows } = await pool.query<{ purged: number }>(
      "select crm_private.maintain_journal() as purged",
    );
    purged = rows[0]?.purged ?? 0;
  }
}
