import { beforeAll, expect, test } from "@jest/globals";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { signToken } from "../../../../server/auth/token.ts";
import { jwtSecret, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

/** Contacts whose days differ from zone to zone, and one of a summer's evening. */
beforeAll(() =>
  withConnection(crm.database.ownerUrl, async (client) => {
    await client.query("set crm.source = 'import'");
    await client.query(
      `insert into crm.contacts (first_name, last_name, created_at)
       select 'A', 'B', instant
       from unnest('{2026-01-31T22:30Z,2026-01-31T23:30Z,2026-02-01T04:30Z,2026-06-30T22:30Z}'::timestamptz[])
         as instant`,
    );
  }),
);

async function ask(query: string, headers: Record<string, string> = {}) {
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  const response = await fetch(`${crm.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ query }),
  });
  const answer = (await response.json()) as {
    data?: unknown;
    errors?: { extensions: Record<string, unknown> }[];
  };
  return { status: response.status, ...answer };
}

interface Groups {
  contacts: { groups: { keys: string[]; count: number }[] };
}

async function grouped(period: string, zone?: string): Promise<Record<string, number>> {
  const { data } = await ask(
    `{ contacts { groups: groupedAggregates(groupBy: CREATED_AT_TRUNCATED_TO_${period}) { keys count } } }`,
    zone === undefined ? {} : { "time-zone": zone },
  );
  return Object.fromEntries(
    ((data as Groups | undefined)?.contacts.groups ?? []).map(({ keys, count }) => [
      keys.join(),
      count,
    ]),
  );
}

test("days and months are those of UTC, unless a request names a zone", async () => {
  expect(await grouped("DAY")).toEqual({
    "2026-01-31T00:00:00.000000+00:00": 2,
    "2026-02-01T00:00:00.000000+00:00": 1,
    "2026-06-30T00:00:00.000000+00:00": 1,
  });
  expect(await grouped("DAY", "Europe/Berlin")).toEqual({
    "2026-01-31T00:00:00.000000+01:00": 1,
    "2026-02-01T00:00:00.000000+01:00": 2,
    "2026-07-01T00:00:00.000000+02:00": 1,
  });
  expect(await grouped("MONTH", "America/St_Johns")).toEqual({
    "2026-01-01T00:00:00.000000-03:30": 2,
    "2026-02-01T00:00:00.000000-03:30": 1,
    "2026-06-01T00:00:00.000000-02:30": 1,
  });
  expect(await grouped("HOUR", "Asia/Kolkata")).toHaveProperty([
    "2026-02-01T04:00:00.000000+05:30",
  ]);
});

test("an installation has a zone of its own, which a request's goes before", async () => {
  const set = (zone: string) =>
    ask(`mutation { setTimeZone(input: { timeZone: "${zone}" }) { result } }`);
  expect((await set("Europe/Berlin")).errors).toBeUndefined();
  try {
    expect(Object.keys(await grouped("QUARTER"))).toEqual(
      expect.arrayContaining([
        "2026-01-01T00:00:00.000000+01:00",
        "2026-07-01T00:00:00.000000+02:00",
      ]),
    );
    expect(await grouped("MONTH", "UTC")).toHaveProperty(["2026-06-01T00:00:00.000000+00:00"]);
    expect((await ask("{ timeZone }")).data).toEqual({ timeZone: "Europe/Berlin" });
    expect((await ask("{ timeZone }", { "time-zone": "Asia/Tokyo" })).data).toEqual({
      timeZone: "Asia/Tokyo",
    });
  } finally {
    await set("UTC");
  }
});

test.each(["Berlin", "Europe/Nowhere", "CET+3", "+02:00", "UTC'; --", "x".repeat(80)])(
  "%s is no time zone",
  async (zone) => {
    const { status, errors } = await ask("{ timeZone }", { "time-zone": zone });
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { timeZone: [expect.any(String)] },
    });
    const { errors: refused } = await ask(
      `mutation { setTimeZone(input: { timeZone: ${JSON.stringify(zone)} }) { result } }`,
    );
    expect(refused?.[0]?.extensions).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { timeZone: [expect.any(String)] },
    });
  },
);

test("a socket names its zone with its token", async () => {
  const token = await signToken(jwtSecret, { role: "admin", user: "tester", expires: "5m" });
  const client = createClient({
    url: `${crm.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}`, "time-zone": "Asia/Tokyo" },
  });
  for await (const { data } of client.iterate({ query: "{ timeZone }" })) {
    expect(data).toEqual({ timeZone: "Asia/Tokyo" });
  }
  await client.dispose();
});
