import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Config } from "../settings.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";
import type { TokenRules } from "./token-keys.ts";

/**
 * Returns which tokens are accepted.
 *
 * @param config the settings.
 * @throws {Problem} in production, if neither a secret nor a key set is set.
 */
export function tokenRules(config: Config): TokenRules {
  const { jwtIssuer: issuer, jwtAudience: audience, jwtPreviousSecret, keySet } = config;
  const secrets = () =>
    [jwtSecret(config), jwtPreviousSecret].filter((secret) => secret !== undefined);
  return { keys: keySet ?? { secrets: secrets() }, issuer, audience };
}

/**
 * Returns the secret that signs and verifies tokens: JWT_SECRET, or in development a secret that is generated
 * once and stored in the data folder, readable by its owner only.
 *
 * @param config the settings.
 * @throws {Problem} in production without JWT_SECRET, and if a key set is used instead.
 */
export function jwtSecret(config: Config): string {
  if (config.jwtSecret !== undefined) return config.jwtSecret;
  if (config.keySet !== undefined) {
    throw new Problem(
      "pgcrm cannot sign tokens: they are signed with the private keys of JWKS_URL or JWKS_FILE.",
      exitCodes.usage,
    );
  }
  if (config.production) {
    throw new Problem(
      "JWT_SECRET, JWKS_URL or JWKS_FILE is required when NODE_ENV is production.",
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
