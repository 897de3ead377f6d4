import { createCipheriv, createDecipheriv, hkdf, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(hkdf);

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** What encrypts an answer, and decrypts it. */
export interface Secret {
  /** What the answer's own key is derived from. */
  readonly key: string;
  /** Makes another key for everybody who uses the same one. */
  readonly salt: Buffer;
  /** What the answer belongs to; with anything else it cannot be read. */
  readonly context: Buffer;
}

/** Encrypts an answer: a nonce, a tag that proves it, and what is encrypted. */
export async function encryptResponse(answer: string, secret: Secret): Promise<Buffer> {
  const nonce = randomBytes(nonceBytes);
  const encryption = createCipheriv(cipher, await keyOf(secret), nonce).setAAD(secret.context);
  const encrypted = [encryption.update(answer, "utf8"), encryption.final()];
  return Buffer.concat([nonce, encryption.getAuthTag(), ...encrypted]);
}

/**
 * Decrypts an answer.
 *
 * @throws {Error} where it is not one that was encrypted with this secret.
 */
export async function decryptResponse(sealed: Buffer, secret: Secret): Promise<string> {
  const nonce = sealed.subarray(0, nonceBytes);
  const tag = sealed.subarray(nonceBytes, nonceBytes + tagBytes);
  const decryption = createDecipheriv(cipher, await keyOf(secret), nonce, {
    authTagLength: tagBytes,
  });
  decryption.setAAD(secret.context).setAuthTag(tag);
  const decrypted = [decryption.update(sealed.subarray(nonceBytes + tagBytes)), decryption.final()];
  return Buffer.concat(decrypted).toString();
}

async function keyOf({ key, salt }: Secret): Promise<Buffer> {
  return Buffer.from(await derive("sha256", key, salt, "pgcrm answer", 32));
}
