import { createCipheriv, createDecipheriv, hkdf, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(hkdf);

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** The secret that encrypts and decrypts a response. */
export interface Secret {
  /** The input from which the encryption key is derived. */
  readonly key: string;
  /** Makes the encryption keys of users with equal idempotency keys differ. */
  readonly salt: Buffer;
  /** The request of the response; with any other, decryption fails. */
  readonly context: Buffer;
}

/** Encrypts a response. Returns the nonce, the authentication tag and the ciphertext. */
export async function encryptResponse(answer: string, secret: Secret): Promise<Buffer> {
  const nonce = randomBytes(nonceBytes);
  const encryption = createCipheriv(cipher, await keyOf(secret), nonce).setAAD(secret.context);
  const encrypted = [encryption.update(answer, "utf8"), encryption.final()];
  return Buffer.concat([nonce, encryption.getAuthTag(), ...encrypted]);
}

/**
 * Decrypts a response.
 *
 * @throws {Error} if it was not encrypted with this secret.
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
