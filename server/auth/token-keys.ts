import { readFileSync, statSync } from "node:fs";

import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  jwksCache,
  type JWKSCacheInput,
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

/** Which tokens are accepted. */
export interface TokenRules {
  readonly keys: TokenKeys;
  /** The required claim `iss`; undefined if it is not checked. */
  readonly issuer?: string | undefined;
  /** The value that the claim `aud` must be or contain; undefined if it is not checked. */
  readonly audience?: string | undefined;
}

/** The check of signatures and times. */
export interface TokenCheck {
  /** Returns the claims of a valid token. */
  readonly verify: (token: string) => Promise<JWTPayload>;
  /** Returns the present set of keys, or a name of it: another value once any key may have changed. */
  readonly keySet: () => unknown;
}

/** The tolerated difference between clocks, in seconds. */
const leeway = 30;

/** The algorithms with public keys. With a secret, only `HS256` is accepted. */
const publicAlgorithms = ["RS256", "ES256", "EdDSA"];

/**
 * Creates the check of signatures, expiry, issuer and audience.
 *
 * A key set at a URL is fetched when it is needed, cached for ten minutes, and fetched again for an unknown
 * key, at most every 30 seconds. A key set in a file is read again when the file has changed.
 *
 * @returns a check that throws an error of `jose` for an invalid token, and `UnavailableError` if the keys
 *   cannot be fetched.
 * @throws if the file of a key set cannot be read.
 */
export function createTokenCheck({ keys, issuer, audience }: TokenRules): TokenCheck {
  const options: JWTVerifyOptions = {
    clockTolerance: leeway,
    requiredClaims: ["exp"],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
  if ("secrets" in keys) return checkBySecrets(keys.secrets, options);

  const { getKey, keySet } = "jwksUrl" in keys ? remoteKeys(keys.jwksUrl) : fileKeys(keys.jwksFile);
  return {
    keySet,
    async verify(token) {
      const verified = await jwtVerify(token, getKey, { ...options, algorithms: publicAlgorithms });
      return withoutExtensions(verified);
    },
  };
}

function checkBySecrets(secrets: readonly string[], options: JWTVerifyOptions): TokenCheck {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const keys = secrets.map((secret) =>
    crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["verify"]),
  );

  return {
    keySet: () => secrets,
    async verify(token) {
      let failure: unknown;
      for (const key of keys) {
        try {
          return withoutExtensions(
            await jwtVerify(token, await key, { ...options, algorithms: ["HS256"] }),
          );
        } catch (error) {
          failure = error;
          if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
        }
      }
      throw failure;
    },
  };
}

/** Refuses extensions of tokens, including the one that `jose` supports. */
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

interface KeySource {
  readonly getKey: JWTVerifyGetKey;
  readonly keySet: TokenCheck["keySet"];
}

function remoteKeys(url: string): KeySource {
  const fetched: JWKSCacheInput = {};
  const remote = createRemoteJWKSet(new URL(url), { [jwksCache]: fetched });

  return {
    // An old set is fetched again for the next token that is verified.
    keySet: () => (remote.fresh ? fetched.jwks : undefined),
    async getKey(header, token) {
      try {
        return await remote(header, token);
      } catch (error) {
        if (isAboutToken(error)) throw error;
        throw new UnavailableError("The keys of tokens cannot be fetched; please try again", error);
      }
    },
  };
}

function fileKeys(path: string): KeySource {
  let version = versionOf(path);
  let read = readKeySet(path);

  function keySet(): JWTVerifyGetKey {
    const newest = versionOf(path);
    if (newest !== undefined && newest !== version) {
      try {
        read = readKeySet(path);
        version = newest;
      } catch {
        // The file is being written; the previous keys stay in use.
      }
    }
    return read;
  }

  return { keySet, getKey: (header, token) => keySet()(header, token) };
}

function versionOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

function readKeySet(path: string): JWTVerifyGetKey {
  return createLocalJWKSet(JSON.parse(readFileSync(path, "utf8")) as JSONWebKeySet);
}

/** Returns whether the key set is valid, but does not contain the key of the token. */
function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
  );
}
