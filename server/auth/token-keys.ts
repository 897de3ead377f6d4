import { readFileSync, statSync } from "node:fs";

import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";

import { UnavailableError } from "../errors/classes.ts";

/** The keys that tokens are verified with: shared secrets, or public keys in a JSON Web Key Set. */
export type TokenKeys =
  | { readonly secrets: readonly string[] }
  | { readonly jwksUrl: string }
  | { readonly jwksFile: string };

/** Which tokens are believed. */
export interface TokenRules {
  readonly keys: TokenKeys;
  /** What the claim `iss` must be; absent, it is not asked for. */
  readonly issuer?: string | undefined;
  /** What the claim `aud` must be or hold; absent, it is not asked for. */
  readonly audience?: string | undefined;
}

/** Gives the claims of a token whose signature and times are good. */
export type VerifyToken = (token: string) => Promise<JWTPayload>;

/** How far two clocks may differ, in seconds. */
const leeway = 30;

/** What signs where public keys verify; a secret takes `HS256` and nothing else. */
const publicAlgorithms = ["RS256", "ES256", "EdDSA"];

/**
 * Makes the check of signatures, expiry, issuer and audience.
 *
 * A key set at a URL is fetched when it is needed, kept for ten minutes, and fetched again for a key
 * that it does not hold, at most every 30 seconds. One in a file is read again when the file has
 * changed.
 *
 * @returns a function that throws an error of `jose` for a token that is not good, and
 *   `UnavailableError` where the keys cannot be had.
 * @throws what is wrong with a key set's file, which must be readable from the start
 */
export function createVerifyToken({ keys, issuer, audience }: TokenRules): VerifyToken {
  const options: JWTVerifyOptions = {
    clockTolerance: leeway,
    requiredClaims: ["exp"],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
  if ("secrets" in keys) return verifyBySecrets(keys.secrets, options);

  const getKey = "jwksUrl" in keys ? remoteKeys(keys.jwksUrl) : fileKeys(keys.jwksFile);
  return async (token) => {
    const verified = await jwtVerify(token, getKey, { ...options, algorithms: publicAlgorithms });
    return withoutExtensions(verified);
  };
}

function verifyBySecrets(secrets: readonly string[], options: JWTVerifyOptions): VerifyToken {
  const keys = secrets.map((secret) => new TextEncoder().encode(secret));

  return async (token) => {
    let failure: unknown;
    for (const key of keys) {
      try {
        return withoutExtensions(
          await jwtVerify(token, key, { ...options, algorithms: ["HS256"] }),
        );
      } catch (error) {
        failure = error;
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
      }
    }
    throw failure;
  };
}

/** No extension of tokens is known here, not even the one that `jose` knows. */
function withoutExtensions({
  payload,
  protectedHeader,
}: {
  payload: JWTPayload;
  protectedHeader: { crit?: string[] };
}): JWTPayload {
  if (protectedHeader.crit !== undefined) {
    throw new errors.JOSENotSupported("Extensions of tokens are not supported");
  }
  return payload;
}

function remoteKeys(url: string): JWTVerifyGetKey {
  const keySet = createRemoteJWKSet(new URL(url));

  return async (header, token) => {
    try {
      return await keySet(header, token);
    } catch (error) {
      if (isAboutToken(error)) throw error;
      throw new UnavailableError("The keys of tokens cannot be had; please try again", error);
    }
  };
}

function fileKeys(path: string): JWTVerifyGetKey {
  let version = versionOf(path);
  let keySet = readKeySet(path);

  return (header, token) => {
    const newest = versionOf(path);
    if (newest !== undefined && newest !== version) {
      try {
        keySet = readKeySet(path);
        version = newest;
      } catch {
        // It is just being written; what was there before goes on.
      }
    }
    return keySet(header, token);
  };
}

function versionOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

function readKeySet(path: string): JWTVerifyGetKey {
  return createLocalJWKSet(JSON.parse(readFileSync(path, "utf8")) as JSONWebKeySet);
}

/** Whether a key set is fine and the token asks for a key that it does not hold. */
function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
  );
}
