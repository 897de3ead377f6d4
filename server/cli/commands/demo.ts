import { withDatabase } from "../../embedded/open.ts";
import { runDemo } from "../demo-data.ts";
import { migrateDatabase } from "../../migrations/migrate.ts";
import type { Context } from "./context.ts";

/** Migrates the database and fills it with demonstration data, unless it already contains companies. */
export async function demoCommand(context: Context): Promise<void> {
  await withDatabase(context.config, async ({ ownerUrl, serverUrl }) => {
    await migrateDatabase({ ownerUrl, serverUrl, otherPassword: "refuse", report: context.note });
    const counts = await runDemo(serverUrl);
    if (counts === undefined) {
      context.print("The database already contains companies; nothing was added.");
      return;
    }
    const list = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`);
    context.print(`Added ${list.join(", ")}.`);
  });
}
