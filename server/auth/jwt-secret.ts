import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Config } from "../settings.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";
import type { TokenRules } from "./token-keys.ts";

/**
 * Which tokens the settings say to believe.
 *
 * @param config the settings.
 * @throws {Problem} in production without a secret or a key set.
 */
export function tokenRules(config: Config): TokenRules {
  const { jwtIssuer: issuer, jwtAudience: audience, jwtPreviousSecret, keySet } = config;
  const secrets = () =>
    [jwtSecret(config), jwtPreviousSecret].filter((secret) => secret !== undefined);
  return { keys: keySet ?? { secrets: secrets() }, issuer, audience };
}

/**
 * The secret that signs and verifies tokens: JWT_SECRET, or in development one that is made once
 * and kept in the data folder, readable by its owner only.
 *
 * @param config the settings.
 * @throws {Problem} in production without JWT_SECRET, and where a key set takes its place.
 */
export function jwtSecret(config: Config): string {
  if (config.jwtSecret !== undefined) return config.jwtSecret;
  if (config.keySet !== undefined) {
    throw new Problem(
      "Tokens come from whoever holds the keys of JWKS_URL or JWKS_FILE; none can be signed here.",
      exitCodes.usage,
    );
  }
  if (config.production) {
    throw new Problem(
      "JWT_SECRET is required when NODE_ENV is production, or JWKS_URL or JWKS_FILE.",
      exitCodes.usage,
    );
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
