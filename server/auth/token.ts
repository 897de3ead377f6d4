import { SignJWT } from "jose";

import type { TokenRules } from "./token-keys.ts";

/** The roles of tokens. The database roles have the same names, prefixed with `crm_`. */
export const tokenRoles = ["reader", "member", "admin"] as const;

/** One of {@link tokenRoles}. */
export type TokenRole = (typeof tokenRoles)[number];

/** The user and the role of a request. */
export interface Identity {
  readonly userId: string;
  readonly role: TokenRole;
}

/** The properties of a new token. */
export interface TokenRequest {
  readonly role: TokenRole;
  /** The id of the user, which the audit log records. */
  readonly user: string;
  /** A time span such as `12h` or `30d`. */
  readonly expires: string;
}

/**
 * Signs a token (JWT, HS256) with the claims `sub`, `role`, `iat` and `exp`, and with `iss` and `aud` if the
 * server requires them.
 *
 * @param secret the HS256 secret.
 * @param request the user, the role, and the time span for which the token is valid.
 * @param rules the required issuer and audience.
 * @throws {TypeError} if the time span is not valid.
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
