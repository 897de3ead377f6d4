import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import type { RateLimits } from "../../../server/http/rate-limit.ts";
import { signToken } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { jwtSecret, startTestServer } from "../../helpers/server.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

type Ask = (user?: string, address?: string) => Promise<Response>;

async function withLimits(rateLimits: RateLimits, work: (ask: Ask) => Promise<void>) {
  const server = await startTestServer(database.serverUrl, { rateLimits, trustedProxies: 1 });
  try {
    await work(async (user, address = "192.0.2.1") => {
      const token =
        user === undefined
          ? "none"
          : await signToken(jwtSecret, { role: "reader", user, expires: "5m" });
      return fetch(`${server.url}/graphql`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-forwarded-for": address,
          authorization: `Bearer ${token}`,
        },
        body: JSON.stringify({ query: "{ currentUserId }" }),
      });
    });
  } finally {
    await server.close();
  }
}

describe("the limit of requests a minute", () => {
  test("of a user holds from every address, and for nobody else", () =>
    withLimits({ user: 2, address: 0 }, async (ask) => {
      expect((await ask("ann", "192.0.2.1")).headers.get("ratelimit")).toMatch(
        /"user"; r=1; t=\d+/,
      );
      expect((await ask("ann", "192.0.2.2")).status).toBe(200);
      const refused = await ask("ann", "192.0.2.3");
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(refused.headers.get("ratelimit-policy")).toContain("q=2; w=60");
      expect(await refused.json()).toMatchObject({
        errors: [{ extensions: { code: "RATE_LIMITED", limit: "user", maximum: 2 } }],
      });
      expect((await ask("bob", "192.0.2.1")).status).toBe(200);
    }));

  test("of an address holds for whoever asks, also with tokens that are no good", () =>
    withLimits({ user: 0, address: 2 }, async (ask) => {
      expect((await ask()).status).toBe(401);
      expect((await ask("ann")).status).toBe(200);
      expect((await ask()).status).toBe(429);
      expect((await ask("bob")).status).toBe(429);
      expect((await ask("bob", "192.0.2.2")).status).toBe(200);
    }));

  test("is off with 0", () =>
    withLimits({ user: 0, address: 0 }, async (ask) => {
      for (let i = 0; i < 5; i += 1) {
        const { status, headers } = await ask("ann");
        expect([status, headers.has("ratelimit")]).toEqual([200, false]);
      }
    }));
});

test("an address is one however it is written: with ports, brackets, zones, quotes, as IPv6", () =>
  withLimits({ user: 0, address: 2 }, async (ask) => {
    const waysToWrite = [
      [
        "203.0.113.8:50001",
        "203.0.113.8:50002",
        "203.0.113.8",
        "::ffff:203.0.113.8",
        '"203.0.113.8:7"',
      ],
      ["[2001:db8::1]:50001", "[2001:db8::1]:50002", "2001:db8::1", "[2001:db8::1]", "2001:DB8::2"],
      ["fe80::1%eth0", "fe80::1%eth1", "[fe80::1%25eth0]:443", "fe80::1"],
      ["[::ffff:198.51.100.4]:50001", "198.51.100.4:1", "::ffff:c633:6404"],
    ];
    for (const ways of waysToWrite) {
      const statuses: number[] = [];
      for (const way of ways) statuses.push((await ask("ann", way)).status);
      expect([ways, statuses]).toEqual([ways, statuses.map((_, i) => (i < 2 ? 200 : 429))]);
    }
    expect((await ask("ann", "203.0.113.9:50001")).status).toBe(200);
  }));
