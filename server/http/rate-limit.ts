import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { isIP } from "node:net";

import { ipKeyGenerator, MemoryStore, type Options } from "express-rate-limit";

import { RateLimitedError } from "../errors/classes.ts";
import { Recent } from "../recent.ts";

/** The limits of requests per minute. */
export interface RateLimits {
  /** For one user; 0 for no limit. */
  readonly user: number;
  /** For one address, over all users; 0 for no limit. */
  readonly address: number;
}

/** A limit, which counts requests by HTTP and operations over WebSockets together. */
export interface RateLimiter {
  /**
   * Counts a request of an address or a user, and sets the headers `RateLimit` and `RateLimit-Policy` of its
   * response.
   *
   * @param response undefined for an operation over a WebSocket.
   * @throws {RateLimitedError} above the limit.
   */
  count(key: string, response?: ServerResponse): Promise<void>;
}

/** Limits the requests of one address, before authentication. */
export function createAddressLimiter({ address }: RateLimits): RateLimiter {
  return createLimiter("address", address);
}

/** Limits the requests of one user, from all addresses. Must come after authentication. */
export function createUserLimiter({ user }: RateLimits): RateLimiter {
  return createLimiter("user", user);
}

/** Returns the key of an address. All addresses of an IPv6 network count as one: it belongs to one client. */
export function keyOfAddress(address: string): string {
  return ipKeyGenerator(plainAddress(address));
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

/** The period in which requests are counted, in milliseconds. It begins with the first one of a key. */
const period = 60_000;

/**
 * @param name the name of the limit in the headers.
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
function createLimiter(name: string, limit: number): RateLimiter {
  if (limit === 0) return { count: async () => Promise.resolve() };
  const store = new MemoryStore();
  store.init({ windowMs: period } as Options);
  const partitions = new Recent<string, string>(1000);

  return {
    async count(key, response) {
      const { totalHits, resetTime } = await store.increment(key);
      const seconds = Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000);
      const remaining = Math.max(0, limit - totalHits);
      const partition = partitions.get(key) ?? partitions.set(key, partitionOf(key));
      response?.appendHeader("ratelimit", `"${name}"; r=${remaining}; t=${seconds}`);
      response?.appendHeader(
        "ratelimit-policy",
        `"${name}"; q=${limit}; w=${period / 1000}; pk=:${partition}:`,
      );
      if (totalHits <= limit) return;
      response?.setHeader("retry-after", String(seconds));
      throw new RateLimitedError(`More than ${limit} requests were sent within a minute`, {
        limit: name,
        maximum: limit,
      });
    },
  };
}

function partitionOf(key: string): string {
  const hash = createHash("sha256").update(key).digest("hex").slice(0, 12);
  return Buffer.from(hash).toString("base64");
}
