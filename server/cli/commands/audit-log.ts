import { withConnection } from "../../postgres/connect.ts";
import { withDatabase } from "../../embedded/open.ts";
import { exitCodes } from "../../errors/problem.ts";
import type { Context } from "./context.ts";

interface Verdict {
  readonly intact: boolean;
  readonly message: string;
  readonly timestamp: Date | null;
  readonly unsealed: string;
  readonly archived: string;
  readonly kept_since: Date | null;
  readonly digest: string;
}

/**
 * Seals the audit log and compares it with its seals. There is no time limit.
 *
 * @param digest an earlier digest, to be compared too.
 * @returns the exit code: 0 or {@link exitCodes.findings}.
 */
export async function verifyCommand(
  context: Context,
  { digest }: { digest?: string | undefined },
): Promise<number> {
  const verdict = await withOwner(context, async (query) => {
    await query("select crm_private.seal_audit_log()");
    return query<Verdict>("select * from crm_private.check_audit_log($1)", [digest]);
  });
  const { message, timestamp, unsealed, archived, kept_since: keptSince } = verdict;
  context.print(
    timestamp === null ? message : `${message} Its time is ${timestamp.toISOString()}.`,
  );
  if (keptSince !== null) {
    context.print(`Archived before ${keptSince.toISOString()}: ${archived} entries, not compared.`);
  }
  if (unsealed !== "0") context.print(`Not sealed yet: ${unsealed} entries.`);
  context.print(`Digest: ${verdict.digest}`);
  return verdict.intact ? 0 : exitCodes.findings;
}

/** Seals the audit log and prints its digest. */
export async function digestCommand(context: Context): Promise<void> {
  const { digest } = await withOwner(context, (query) =>
    query<{ digest: string }>("select crm.audit_log_digest() as digest"),
  );
  context.print(digest);
}

/**
 * Runs once the maintenance that a running server repeats: creates partitions, purges the trash, expires
 * idempotency keys and seals the audit log.
 */
export async function maintainCommand(context: Context): Promise<void> {
  await withOwner(context, async (query) => {
    const untilNothing = async (call: string): Promise<number> => {
      let sum = 0;
      for (let count = 1; count > 0; sum += count) {
        ({ count } = await query<{ count: number }>(`select ${call} as count`));
      }
      return sum;
    };
    const purged = await untilNothing("crm_private.maintain_audit_log()");
    const forgotten = await untilNothing("crm_private.expire_idempotency_keys()");
    const { sealed } = await query<{ sealed: string }>(
      "select crm_private.seal_audit_log() as sealed",
    );
    context.print(
      `Purged ${purged} deletions, expired ${forgotten} idempotency keys, sealed ${sealed} entries.`,
    );
  });
}

type Query = <Row>(text: string, values?: unknown[]) => Promise<Row>;

/** Passes a function that queries one row, as the owner of the database. */
async function withOwner<Result>(
  { config }: Context,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return withDatabase(config, ({ ownerUrl }) =>
    withConnection(ownerUrl, (client) =>
      work(async <Row>(text: string, values?: unknown[]) => {
        const { rows } = await client.query(text, values);
        return rows[0] as Row;
      }),
    ),
  );
}
