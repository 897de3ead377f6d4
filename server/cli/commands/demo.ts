import { withDatabase } from "../../embedded/open.ts";
import { migrateDatabase } from "../../migrations/migrate.ts";
import { type DemoOptions, runDemo } from "../demo/run.ts";
import type { Context } from "./context.ts";

/**
 * Migrates the database and fills it with demonstration data.
 *
 * @throws {Problem} if the database is not empty.
 */
export async function demoCommand(context: Context, options: DemoOptions): Promise<void> {
  await withDatabase(context.config, async ({ ownerUrl, serverUrl }) => {
    await migrateDatabase({ ownerUrl, serverUrl, otherPassword: "refuse", report: context.note });
    const { trash, ...counts } = await runDemo(ownerUrl, serverUrl, options);
    const list = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`);
    context.print(`Added ${list.join(", ")}, and ${trash} deleted rows in the trash.`);
  });
}
