import { createHash } from "node:crypto";

import { ConflictError, PayloadTooLargeError, ValidationError } from "../errors/classes.ts";
import { hasCode } from "../errors/problem.ts";
import { decryptResponse, encryptResponse, type Secret } from "./responses.ts";

/** The name of the key in errors, as in the API. */
export const keyName = "idempotencyKey";

const maxCharacters = 255;

/** The largest response that is stored, in bytes: a kilobyte for each of the most rows it may have. */
const maxAnswerBytes = 20_000_000;

/** A request whose response is to be stored. */
export interface KeyedRequest {
  readonly keyHash: Buffer;
  readonly requestHash: Buffer;
  readonly secret: Secret;
}

/** Runs a statement in the transaction of the request, with the rights of the login role. */
export type QueryAsServer = <Row extends object>(
  text: string,
  values: readonly unknown[],
) => Promise<readonly Row[]>;

/**
 * Returns the request of a user.
 *
 * @param request what distinguishes it from other requests: JSON.
 * @throws {ValidationError} if the key is not valid.
 */
export function keyedRequest(
  user: string | undefined,
  key: string,
  request: readonly unknown[],
): KeyedRequest {
  const { length } = Array.from(key);
  if (length < 1 || length > maxCharacters) refuseKey(`must have 1 to ${maxCharacters} characters`);
  const keyHash = hash([user, key]);
  const requestHash = hash(request);
  return { keyHash, requestHash, secret: { key, salt: keyHash, context: requestHash } };
}

/** @throws {ValidationError} with the message. */
export function refuseKey(message: string): never {
  throw new ValidationError(`${keyName} ${message}`, { [keyName]: [message] });
}

/** Returns the SHA-256 of a value. The order of the members of objects does not matter. */
function hash(value: unknown): Buffer {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" &&
    member !== null &&
    !Array.isArray(member) &&
    !JSON.isRawJSON(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
  return createHash("sha256").update(text).digest();
}

/**
 * Claims the key for the transaction. Waits for another transaction that has it.
 *
 * @returns the stored response as JSON, if there is one.
 * @throws {ConflictError} if the other transaction runs too long.
 * @throws {ValidationError} if the key was used for another request.
 */
export async function claimKey(
  query: QueryAsServer,
  { keyHash, requestHash, secret }: KeyedRequest,
): Promise<string | undefined> {
  const [kept] = await query<{ request_hash: Buffer; answer: Buffer | null }>(
    "select request_hash, answer from crm_private.claim_idempotency_key($1)",
    [keyHash],
  ).catch((error: unknown) => {
    if (!hasCode(error, "55P03")) throw error;
    throw new ConflictError(`A request with this ${keyName} is still running; please try again`);
  });
  if (kept === undefined) return undefined;
  if (!kept.request_hash.equals(requestHash)) refuseKey("was used for another request");
  if (kept.answer === null) {
    refuseKey(
      "belongs to a request that was committed; its response was deleted when a person was erased",
    );
  }
  return decryptResponse(kept.answer, secret);
}

/**
 * Stores a response under the key that the transaction has claimed.
 *
 * @param isNarrow whether the response only has fields of rows that the transaction changed; otherwise it may
 *   have data of any person, and erasure deletes it.
 * @throws {PayloadTooLargeError} if the response is too large.
 */
export async function keepResponse(
  query: QueryAsServer,
  { keyHash, requestHash, secret }: KeyedRequest,
  answer: string,
  isNarrow: boolean,
): Promise<void> {
  const actual = Buffer.byteLength(answer);
  if (actual > maxAnswerBytes) {
    const maximum = maxAnswerBytes;
    throw new PayloadTooLargeError(
      `The response has ${actual} bytes; with an ${keyName} at most ${maximum} can be stored, so nothing was ` +
        "changed. Select fewer fields",
      { limit: "keptAnswerBytes", maximum, actual },
    );
  }
  const sealed = await encryptResponse(answer, secret);
  await query("select crm_private.save_response($1, $2, $3, $4)", [
    keyHash,
    requestHash,
    sealed,
    isNarrow,
  ]);
}
