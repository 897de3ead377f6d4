import type { Request, RequestHandler } from "express";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { GraphQLError } from "graphql";

/** How many requests are answered within a minute. */
export interface RateLimits {
  /** Of one user; 0 for any number. */
  readonly user: number;
  /** Of one address, whoever asks; 0 for any number. */
  readonly address: number;
}

/** Limits what comes from one address, before anything is known of who asks. */
export function limitAddress({ address }: RateLimits): RequestHandler {
  return limiter("address", address, ({ ip = "" }) => ipKeyGenerator(ip));
}

/** Limits what one user asks, from however many addresses. Authentication comes before. */
export function limitUser({ user }: RateLimits): RequestHandler {
  return limiter("user", user, ({ pgSettings }) => pgSettings?.["crm.user_id"] ?? "");
}

/**
 * @param identifier tells the limits apart in the headers `RateLimit` and `RateLimit-Policy`.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
function limiter(
  identifier: string,
  limit: number,
  keyGenerator: (request: Request) => string,
): RequestHandler {
  if (limit === 0) {
    return (_request, _response, next) => {
      next();
    };
  }
  return rateLimit({
    windowMs: 60_000,
    limit,
    identifier,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    keyGenerator,
    // It warns of proxies that nobody configured; whoever has one sets TRUSTED_PROXIES.
    validate: false,
    handler(_request, response, _next, { statusCode }) {
      const error = new GraphQLError(`There were more than ${limit} requests in a minute`, {
        extensions: { code: "RATE_LIMITED", limit: identifier, maximum: limit },
      });
      response.status(statusCode).json({ errors: [error] });
    },
  });
}
