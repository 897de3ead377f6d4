import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Problem } from "../errors/problem.ts";
import type { Extension } from "../extension.ts";

/** A project that is built on pgcrm: a folder with a `pgcrm.config.ts`. */
export interface Application {
  readonly folder: string;
  readonly extension: Extension;
  /** The folder of its migrations. It need not exist. */
  readonly migrations: string;
}

const configNames = ["pgcrm.config.ts", "pgcrm.config.js", "pgcrm.config.mjs"];

/**
 * Reads the application in a folder, and loads its `.env` into the environment. Variables that are already
 * set keep their values.
 *
 * @param folder where `pgcrm.config.ts` is.
 * @returns undefined if the folder has no configuration.
 * @throws {Problem} if the configuration cannot be read.
 */
export async function readApplication(folder: string): Promise<Application | undefined> {
  const name = configNames.find((candidate) => existsSync(join(folder, candidate)));
  if (name === undefined) return undefined;
  const env = join(folder, ".env");
  if (existsSync(env)) process.loadEnvFile(env);
  const extension = await readExtension(join(folder, name), name);
  return { folder, extension, migrations: join(folder, "db", "migrations") };
}

async function readExtension(path: string, name: string): Promise<Extension> {
  try {
    const loaded = (await import(pathToFileURL(path).href)) as { default?: unknown };
    if (typeof loaded.default !== "object" || loaded.default === null) {
      throw new Problem(`${name} must have a default export: export default defineConfig({ … });`);
    }
    return loaded.default;
  } catch (error) {
    if (error instanceof Problem) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem(`${name} cannot be read: ${reason}`, undefined, error);
  }
}
