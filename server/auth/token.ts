import { SignJWT } from "jose";

import type { TokenRules } from "./token-keys.ts";

/** What a token may ask for; the database roles behind them carry the prefix `crm_`. */
export const tokenRoles = ["reader", "member", "admin"] as const;

/** One of {@link tokenRoles}. */
export type TokenRole = (typeof tokenRoles)[number];

/** Who asks, and what they may do. */
export interface Identity {
  readonly userId: string;
  readonly role: TokenRole;
}

/** What a token says. */
export interface TokenRequest {
  readonly role: TokenRole;
  /** The user's id, which the audit log records. */
  readonly user: string;
  /** A time span such as `12h` or `30d`. */
  readonly expires: string;
}

/**
 * Signs a token (JWT, HS256) with the claims `sub`, `role`, `iat` and `exp`, and with `iss` and `aud`
 * where they are asked for.
 *
 * @param secret the HS256 secret.
 * @param request who the token speaks for, and how long.
 * @param asked what the server asks of a token beside that.
 * @throws {TypeError} when the time span cannot be read.
 */
export async function signToken(
  secret: string,
  request: TokenRequest,
  { issuer, audience }: Pick<TokenRules, "issuer" | "audience"> = {},
): Promise<string> {
  const token = new SignJWT({ role: request.role })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(request.user)
    .setIssuedAt()
    .setExpirationTime(request.expires);
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(new TextEncoder().encode(secret));
}
