import { SignJWT } from "jose";

/** What a token may ask for; the database roles behind them carry the prefix `crm_`. */
export const tokenRoles = ["reader", "member", "admin"] as const;

/** One of {@link tokenRoles}. */
export type TokenRole = (typeof tokenRoles)[number];

/** What a token says. */
export interface TokenRequest {
  readonly role: TokenRole;
  /** The user's id, which the journal records. */
  readonly user: string;
  /** A time span such as `12h` or `30d`. */
  readonly expires: string;
}

/**
 * Signs a token (JWT, HS256) with the claims `sub`, `role`, `iat` and `exp`.
 *
 * @param secret the HS256 secret.
 * @param request who the token speaks for, and how long.
 * @throws {TypeError} when the time span cannot be read.
 */
export async function signToken(secret: string, request: TokenRequest): Promise<string> {
  return new SignJWT({ role: request.role })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(request.user)
    .setIssuedAt()
    .setExpirationTime(request.expires)
    .sign(new TextEncoder().encode(secret));
}
