import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Config } from "./config.ts";
import { exitCodes, hasCode, Problem } from "./problem.ts";

/**
 * The secret that signs and verifies tokens: JWT_SECRET, or in development one that is made once
 * and kept in the data folder, readable by its owner only.
 *
 * @param config the settings.
 * @throws {Problem} in production without JWT_SECRET.
 */
export function jwtSecret(config: Config): string {
  if (config.jwtSecret !== undefined) return config.jwtSecret;
  if (config.production) {
    throw new Problem("JWT_SECRET is required when NODE_ENV is production.", exitCodes.usage);
  }
  const path = join(config.dataFolder, "jwt-secret");
  mkdirSync(config.dataFolder, { recursive: true });
  try {
    writeFileSync(path, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  return readFileSync(path, "utf8");
}
