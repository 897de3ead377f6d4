import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";

import { withDatabase } from "../../embedded/open.ts";
import { applyCurrent, migrateDatabase } from "../../migrations/migrate.ts";
import { Problem } from "../../errors/problem.ts";
import { isPackage, projectFolder } from "../../project.ts";
import type { Application } from "../application.ts";
import type { Context } from "./context.ts";
import { developedTarget } from "./migrations.ts";

const watched = ["migrations/current", "functions", "triggers", "views"].map((name) =>
  join("db", name),
);

const applicationWatched = join("db", "migrations", "current");

/**
 * Applies `current/` to the development database, once, or again whenever a file that it may
 * include changes. Other processes may use the database at the same time.
 *
 * @throws {Problem} in production, and if nodemon, a development dependency, is missing.
 */
export async function watchCommand(context: Context, options: { once?: boolean }): Promise<void> {
  if (context.config.production) {
    throw new Problem(
      "Uncommitted migrations are for development; in production, run npx pgcrm migrate.",
    );
  }
  await withDatabase(context.config, async (database) => {
    const target = await developedTarget(database, context);
    if (target.folder !== undefined) {
      const { ownerUrl, serverUrl } = database;
      await migrateDatabase({ ownerUrl, serverUrl, report: context.note });
    }
    if (options.once === true) await applyCurrent(target);
    else await watch(context.application);
  });
}

async function watch(application: Application | undefined): Promise<void> {
  const command = [
    process.execPath,
    join(import.meta.dirname, "..", isPackage ? "cli.js" : "cli.ts"),
    "watch",
    "--once",
  ];
  const nodemon = spawn(
    process.execPath,
    [
      findNodemon(),
      ...(application === undefined ? watched : [applicationWatched]).flatMap((folder) => [
        "--watch",
        folder,
      ]),
      ...["--ext", "sql", "--exec", command.map((word) => JSON.stringify(word)).join(" ")],
    ],
    { cwd: application?.folder ?? projectFolder, stdio: "inherit" },
  );
  const stop = () => nodemon.kill("SIGINT");
  process.on("SIGINT", stop).on("SIGTERM", stop);
  await once(nodemon, "exit");
}

function findNodemon(): string {
  try {
    return createRequire(import.meta.url).resolve("nodemon/bin/nodemon.js");
  } catch {
    throw new Problem("nodemon is not installed; install it with npm install --save-dev nodemon.");
  }
}
