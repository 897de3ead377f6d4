import { withConnection } from "../../postgres/connect.ts";
import { withDatabase } from "../../embedded/open.ts";
import { examine, examineCircumstances } from "../../doctor/doctor.ts";
import { exitCodes } from "../../errors/problem.ts";
import type { Context } from "./context.ts";

/**
 * Checks the installation and prints a line for each finding.
 *
 * @returns the exit code: 0 or {@link exitCodes.findings}.
 */
export async function doctorCommand(context: Context): Promise<number> {
  const { persisted, limits } = context.config;
  return withDatabase(context.config, async ({ ownerUrl, serverUrl, embedded }) => {
    const { findings, notes } = await withConnection(ownerUrl, async (client) => {
      await client.query("begin");
      try {
        return {
          notes: await examineCircumstances(client, embedded !== undefined),
          findings: await examine(client),
        };
      } finally {
        await client.query("rollback");
      }
    });
    if (persisted !== undefined) {
      // Loads the whole server, which other commands need not wait for.
      const { examineOperations } = await import("../../graphql/compiled/examine.ts");
      const operations = await examineOperations(serverUrl, persisted.folder, limits).catch(
        (error: unknown) => [`The persisted operations could not be examined: ${String(error)}`],
      );
      notes.push(...operations);
    }
    for (const note of notes) context.print(`Note: ${note}`);
    for (const finding of findings) context.print(finding);
    if (findings.length > 0) return exitCodes.findings;
    context.print("No findings.");
    return 0;
  });
}
