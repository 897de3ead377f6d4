import { isIP } from "node:net";

import type { Request, RequestHandler } from "express";
import { ipKeyGenerator, MemoryStore, rateLimit } from "express-rate-limit";
import { GraphQLError } from "graphql";

import { RateLimitedError } from "../errors/classes.ts";
import { withRequestId } from "./requests.ts";

/** How many requests are answered within a minute. */
export interface RateLimits {
  /** Of one user; 0 for any number. */
  readonly user: number;
  /** Of one address, whoever asks; 0 for any number. */
  readonly address: number;
}

/** One limit, which counts what comes by HTTP and over sockets together. */
export interface RateLimiter {
  /** Counts a request, and refuses it where there were too many. */
  readonly limitRequest: RequestHandler;
  /**
   * Counts an operation that comes over a socket.
   *
   * @param key the address or the user that it comes from.
   * @throws {RateLimitedError} where there were too many.
   */
  countOperation(key: string): Promise<void>;
}

/** Limits what comes from one address, before anything is known of who asks. */
export function createAddressLimiter({ address }: RateLimits): RateLimiter {
  return createLimiter("address", address, keyOfAddress);
}

/** Limits what one user asks, from however many addresses. Authentication comes before. */
export function createUserLimiter({ user }: RateLimits): RateLimiter {
  return createLimiter("user", user, ({ pgSettings }) => pgSettings?.["crm.user_id"] ?? "");
}

/** What tells addresses apart: a network of IPv6 is one side, for it belongs to one customer. */
export function keyOfAddress({ ip = "" }: Request): string {
  return ipKeyGenerator(plainAddress(ip));
}

/**
 * An address as it is without what some proxies write with it: a port, brackets, the zone of IPv6,
 * quotes. An IPv4 address in the clothes of IPv6 is one of IPv4. What is no address is left as it is.
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
 * @param identifier tells the limits apart in the headers `RateLimit` and `RateLimit-Policy`.
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
    new RateLimitedError(`There were more than ${limit} requests in a minute`, {
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
    // It warns of proxies that nobody configured; whoever has one sets TRUSTED_PROXIES.
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
