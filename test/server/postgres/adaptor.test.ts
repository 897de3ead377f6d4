import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { createTransact, createWithPgClient } from "../../../server/postgres/adaptor.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { tapWire, type Wire } from "../../helpers/wire.ts";

const settings = { role: "crm_member", "crm.user_id": 'ann\'s "quoted" name', "crm.source": "api" };
const whoAmI = `select current_user as role, current_setting('crm.user_id', true) as user`;

let database: TestDatabase;
let wire: Wire;
let pool: pg.Pool;
let withPgClient: WithPgClient;

beforeAll(async () => {
  database = await createTestDatabase();
  wire = await tapWire(database.serverUrl);
  pool = new pg.Pool({ connectionString: wire.url, max: 1 });
  withPgClient = createWithPgClient(pool);
});

afterAll(async () => {
  await pool.end();
  wire.close();
  await database.drop();
});

beforeEach(async () => {
  await ask("select 1"); // the connection is open and ready
});

async function ask(
  text: string,
  values: unknown[] = [],
  pgSettings: typeof settings | null = settings,
) {
  const { rows } = await withPgClient(pgSettings, (client) =>
    client.query<Record<string, unknown>>({ text, values }),
  );
  return rows;
}

describe("the settings of a request", () => {
  test("hold for its statement", async () => {
    expect(await ask(whoAmI)).toEqual([{ role: "crm_member", user: 'ann\'s "quoted" name' }]);
  });

  test("are gone for the next user of the connection", async () => {
    await ask(whoAmI);
    expect(await ask(whoAmI, [], null)).toEqual([{ role: "crm_server", user: "" }]);
  });

  test("are gone after an error, and so is what the statement wrote", async () => {
    await expect(ask("select 1 / $1::int", [0])).rejects.toMatchObject({ code: "22012" });
    expect(await ask(whoAmI, [], null)).toEqual([{ role: "crm_server", user: "" }]);
  });

  test("are gone after a statement that cannot be parsed, which stays refused", async () => {
    await expect(ask("select from nowhere")).rejects.toMatchObject({ code: "42P01" });
    await expect(ask("select from nowhere")).rejects.toMatchObject({ code: "42P01" });
    expect(await ask(whoAmI, [], null)).toEqual([{ role: "crm_server", user: "" }]);
  });

  test("cannot make a role of one that crm_server may not become", async () => {
    await expect(ask(whoAmI, [], { ...settings, role: "postgres" })).rejects.toMatchObject({
      code: "42501",
    });
  });

  test("hold for all statements of a transaction, and no longer", async () => {
    await withPgClient(settings, (client) =>
      client.withTransaction(async () => {
        expect((await client.query({ text: whoAmI })).rows).toMatchObject([{ role: "crm_member" }]);
        expect((await client.query({ text: whoAmI })).rows).toMatchObject([{ role: "crm_member" }]);
      }),
    );
    expect(await ask(whoAmI, [], null)).toEqual([{ role: "crm_server", user: "" }]);
  });

  test("differ between requests that share a prepared statement", async () => {
    expect(await ask(whoAmI)).toMatchObject([{ role: "crm_member" }]);
    expect(await ask(whoAmI, [], { ...settings, role: "crm_reader" })).toMatchObject([
      { role: "crm_reader" },
    ]);
  });
});

describe("a statement", () => {
  test("costs one round trip: settings and statement, then one Sync", async () => {
    await ask(whoAmI);
    wire.messages.length = 0;
    await ask(whoAmI);
    expect(wire.messages.join("")).toBe("BEBDES");
  });

  test("is parsed the first time only", async () => {
    wire.messages.length = 0;
    await ask("select 'parsed once', $1::int", [1]);
    await ask("select 'parsed once', $1::int", [2]);
    expect(wire.messages.filter((type) => type === "P")).toHaveLength(1);
  });

  test("is parsed each time where nothing is to be prepared, under its settings all the same", async () => {
    const unprepared = createWithPgClient(pool, false);
    const { rows } = await unprepared(settings, (client) => {
      wire.messages.length = 0;
      return client.query<Record<string, unknown>>({ text: whoAmI, name: "named" });
    });
    expect(rows).toEqual([{ role: "crm_member", user: 'ann\'s "quoted" name' }]);
    expect(wire.messages.join("")).toBe("PBEPBDES");
    const known = "select count(*)::int as count from pg_prepared_statements where name = 'named'";
    expect(await ask(known)).toEqual([{ count: 0 }]);
    const setting = "select current_setting('timezone') as zone, current_setting('jit') as jit";
    expect((await unprepared(null, (client) => client.query({ text: setting }))).rows).toEqual([
      { zone: "UTC", jit: "off" },
    ]);
    expect(await ask(whoAmI, [], null)).toEqual([{ role: "crm_server", user: "" }]);
  });

  test("is forgotten when two hundred others came after it", async () => {
    for (let i = 0; i < 210; i += 1) await ask(`select ${i}`);
    wire.messages.length = 0;
    await ask("select 'one more'");
    expect(wire.messages.join("")).toBe("CBEPBDES");
    const [row] = await ask("select count(*)::int as count from pg_prepared_statements");
    expect(row?.count).toBeLessThanOrEqual(202);
    expect(await ask("select 0 as again")).toEqual([{ again: 0 }]);
  });
});

describe("a transaction", () => {
  const count = "select count(*)::int as count from crm.companies";
  const insert = "insert into crm.companies (name) values ($1)";
  const inserting = (name: string) => ({ text: insert, values: [name] });

  test("is all that is done with the clients that are lent in it, or nothing", async () => {
    const transact = createTransact(pool);
    const [before] = await ask(count);
    await expect(
      transact(async (lend) => {
        await lend(settings, (client) => client.query(inserting("Acme")));
        const seen = await lend(settings, (client) => client.query({ text: count }));
        expect(seen.rows).not.toEqual([before]);
        throw new Error("no more");
      }),
    ).rejects.toThrow("no more");
    expect(await ask(count)).toEqual([before]);
    await transact(async (lend) => {
      await lend(settings, (client) => client.query(inserting("Acme")));
      await lend(settings, (client) => client.query(inserting("Bolt")));
    });
    expect(await ask(count)).toEqual([{ count: Number(before?.count) + 2 }]);
    expect(await ask(whoAmI, [], null)).toEqual([{ role: "crm_server", user: "" }]);
  });

  test("takes the statements that come at once one by one, each under its settings", async () => {
    const asServer = { role: "none", "crm.user_id": "nobody" };
    const told = await createTransact(pool)((lend) =>
      Promise.all(
        [settings, asServer, settings].map(async (given) => {
          const { rows } = await lend(given, (client) => client.query({ text: whoAmI }));
          return rows[0];
        }),
      ),
    );
    expect(told).toMatchObject([
      { role: "crm_member" },
      { role: "crm_server", user: "nobody" },
      { role: "crm_member" },
    ]);
  });

  test("within another one is undone alone", async () => {
    const [before] = await ask(count);
    await createTransact(pool)((lend) =>
      lend(settings, async (client) => {
        await client.query(inserting("Acme"));
        const inner = client.withTransaction(async (within) => {
          await within.query(inserting("Bolt"));
          await within.query(inserting(" "));
        });
        await expect(inner).rejects.toMatchObject({ code: "23514" });
        await client.withTransaction((within) => within.query(inserting("Cog")));
      }),
    );
    expect(await ask(count)).toEqual([{ count: Number(before?.count) + 2 }]);
  });

  test("ends when whoever asked is gone, and begins nothing further", async () => {
    const [before] = await ask(count);
    const departure = new AbortController();
    const left = createTransact(pool)(async (lend) => {
      await lend(settings, (client) => client.query(inserting("Acme")));
      departure.abort();
      await lend(settings, (client) => client.query(inserting("Bolt")));
    }, departure.signal);
    await expect(left).rejects.toThrow("The client disconnected before the response");
    expect(await ask(count)).toEqual([before]);
  });
});
