import { isIP } from "node:net";

import type { Request, RequestHandler } from "express";
import { ipKeyGenerator, MemoryStore, rateLimit } from "express-rate-limit";
import { GraphQLError } from "graphql";

import { RateLimitedError } from "../errors/classes.ts";
import { withRequestId } from "./requests.ts";

/** The limits of requests per minute. */
export interface RateLimits {
  /** For one user; 0 for no limit. */
  readonly user: number;
  /** For one address, over all users; 0 for no limit. */
  readonly address: number;
}

/** A limit, which counts requests by HTTP and operations over WebSockets together. */
export interface RateLimiter {
  /** Counts a request, and refuses it above the limit. */
  readonly limitRequest: RequestHandler;
  /**
   * Counts an operation over a WebSocket.
   *
   * @param key the address or the user of the client.
   * @throws {RateLimitedError} above the limit.
   */
  countOperation(key: string): Promise<void>;
}

/** Limits the requests of one address, before authentication. */
export function createAddressLimiter({ address }: RateLimits): RateLimiter {
  return createLimiter("address", address, keyOfAddress);
}

/** Limits the requests of one user, from all addresses. Must come after authentication. */
export function createUserLimiter({ user }: RateLimits): RateLimiter {
  return createLimiter("user", user, ({ pgSettings }) => pgSettings?.["crm.user_id"] ?? "");
}

/** Returns the key of an address. All addresses of an IPv6 network count as one: it belongs to one client. */
export function keyOfAddress({ ip = "" }: Request): string {
  return ipKeyGenerator(plainAddress(ip));
}

/**
 * Returns an address without the port, brackets, quotes or IPv6 zone that some proxies add. An IPv4 address
 * that is mapped to IPv6 is returned as IPv4. A text that is not an address is returned unchanged.
 */
export function plainAddress(text: string): string {
  const bare = text.trim().replace(/^"(.*)"$/, "$1");
  const [, inBrackets] = /^\[([^\]]*)\](?::\d+)?$/.exec(bare) ?? [];
  const [, beforePort] = /^([^:]*):\d+$/.exec(bare) ?? [];
  const address = (inBrackets ?? beforePort ?? bare).replace(/%.*$/, "");
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? [];
  const plain = mapped ?? address;
  return isIP(plain) === 0 ? text : plain;
}

/**
 * @param identifier the name of the limit in the headers `RateLimit` and `RateLimit-Policy`.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
function createLimiter(
  identifier: string,
  limit: number,
  keyGenerator: (request: Request) => string,
): RateLimiter {
  if (limit === 0) {
    return {
      limitRequest: (_request, _response, next) => next(),
      countOperation: async () => Promise.resolve(),
    };
  }
  const excess = () =>
    new RateLimitedError(`More than ${limit} requests were sent within a minute`, {
      limit: identifier,
      maximum: limit,
    });
  const store = new MemoryStore();
  const limitRequest = rateLimit({
    store,
    windowMs: 60_000,
    limit,
    identifier,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    keyGenerator,
    // No warnings about proxies that are not configured: TRUSTED_PROXIES configures them.
    validate: false,
    handler(_request, response, _next, { statusCode }) {
      const { message, extensions } = excess();
      const error = withRequestId(new GraphQLError(message, { extensions }));
      response.status(statusCode).json({ errors: [error] });
    },
  });
  return {
    limitRequest,
    async countOperation(key) {
      if ((await store.increment(key)).totalHits > limit) throw excess();
    },
  };
}
