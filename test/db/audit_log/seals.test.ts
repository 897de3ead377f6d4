import { pipeline } from "node:stream/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";

import { connect, withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

interface Verdict {
  intact: boolean;
  fault: string | null;
  entry_id: string | null;
  entries: string;
  unsealed: string;
  archived: string;
  digest: string;
}

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await connect(database.ownerUrl);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

async function verify(digest?: string, by = client): Promise<Verdict> {
  const { rows } = await by.query<Verdict>("select * from crm.verify_audit_log($1)", [digest]);
  const [verdict] = rows;
  if (verdict === undefined) throw new Error("There is no verdict.");
  return verdict;
}

async function value<Value>(text: string, values: unknown[] = [], by = client): Promise<Value> {
  const { rows } = await by.query<{ value: Value }>(`select (${text}) as value`, values);
  return rows[0]?.value as Value;
}

const digestNow = () => value<string>("crm.audit_log_digest()");

/** Writes entries in several statements and seals them, in several blocks; gives their ids. */
async function sealedEntries(): Promise<string[]> {
  const before = await value<string>("select coalesce(max(id), 0) from crm.audit_logs");
  for (const name of ["Acme", "Bolt", "Cog"]) {
    await client.query(
      "insert into crm.companies (name) select $1 || i from generate_series(1, 3) as i",
      [name],
    );
    await value("crm_private.seal_audit_log()");
  }
  const { rows } = await client.query<{ id: string }>(
    "select id from crm.audit_logs where id > $1 order by id",
    [before],
  );
  return rows.map(({ id }) => id);
}

/** Does something as a superuser who has switched every trigger off, and takes it back afterwards. */
async function behindTheBack<Result>(
  statements: [text: string, values?: unknown[]][],
  look: () => Promise<Result>,
): Promise<Result> {
  await client.query("begin");
  try {
    await client.query("set local session_replication_role = replica");
    for (const [text, values] of statements) {
      const { rowCount } = await client.query(text, values);
      expect([text, rowCount]).not.toEqual([text, 0]);
    }
    return await look();
  } finally {
    await client.query("rollback");
  }
}

test("an audit log that nobody touched is intact, and all of it is sealed", async () => {
  const ids = await sealedEntries();
  expect(ids).toHaveLength(9);
  const verdict = await verify();
  expect(verdict).toMatchObject({ intact: true, fault: null, entry_id: null, unsealed: "0" });
  expect(verdict.entries).toBe(await value("select count(*) from crm.audit_logs"));
  expect(verdict.digest).toBe(await digestNow());
});

test("whatever is done to the audit log in whatever order, an honest one is intact and a forged one not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("write", "roll back", "seal"), { minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.constantFrom("user_id = 'm'", "source = 'api'", "changes = '{\"x\": 1}'"),
      async (steps, pick, assignment) => {
        for (const step of steps) {
          if (step === "seal") await value("crm_private.seal_audit_log()");
          else {
            await client.query("begin; insert into crm.companies (name) values ('A'), ('B')");
            await client.query(step === "write" ? "commit" : "rollback");
          }
        }
        const digest = await digestNow();
        expect(await verify(digest)).toMatchObject({ intact: true, unsealed: "0" });
        const { rows } = await client.query<{ id: string }>(
          "select id from crm.audit_logs order by id desc limit 20",
        );
        const entry = rows[pick % rows.length]?.id;
        const verdict = await behindTheBack(
          [[`update crm.audit_logs set ${assignment} where id = $1`, [entry]]],
          async () => verify(digest),
        );
        expect(verdict).toMatchObject({ fault: "altered", entry_id: entry });
      },
    ),
    { numRuns: 100 },
  );
});

describe("a superuser is found out who", () => {
  test.each([
    ["entity_type", "'contact'"],
    ["entity_id", "gen_random_uuid()"],
    ["action", "'update'"],
    ["user_id", "'mallory'"],
    ["changes", 'changes || \'{"name": "Other"}\''],
    ["timestamp", "\"timestamp\" + interval '1 microsecond'"],
    ["transaction_id", "transaction_id + 1"],
    ["source", "'api'"],
    ["erased_at", "now()"],
  ])("alters the column %s", async (column, expression) => {
    const [, , , entry = ""] = await sealedEntries();
    const verdict = await behindTheBack(
      [[`update crm.audit_logs set "${column}" = ${expression} where id = $1`, [entry]]],
      verify,
    );
    expect(verdict).toMatchObject({ intact: false, fault: "altered", entry_id: entry });
  });

  test("moves text from one column to the next", async () => {
    const [entry = ""] = await sealedEntries();
    const verdict = await behindTheBack(
      [
        ["alter table crm.audit_logs drop constraint audit_logs_source_known", []],
        [
          "update crm.audit_logs set user_id = user_id || source, source = '' where id = $1",
          [entry],
        ],
      ],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "altered", entry_id: entry });
  });

  test("empties an entry as if it had been erased", async () => {
    const [entry = ""] = await sealedEntries();
    const verdict = await behindTheBack(
      [["update crm.audit_logs set changes = '{}', erased_at = now() where id = $1", [entry]]],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "altered", entry_id: entry });
  });

  test("removes an entry, the first of several, and through its partition", async () => {
    const [, second, third] = await sealedEntries();
    const partition = await value<string>(
      "select tableoid::regclass::text from crm.audit_logs where id = $1",
      [second],
    );
    const verdict = await behindTheBack(
      [[`delete from ${partition} where id = any ($1)`, [[third, second]]]],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "removed", entry_id: second });
  });

  test("removes the last entries", async () => {
    const last = (await sealedEntries()).at(-1);
    const verdict = await behindTheBack(
      [["delete from crm.audit_logs where id >= $1", [last]]],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "removed", entry_id: last });
  });

  test.each([
    ["in a gap", "id + 1"],
    ["before the first", "-5"],
  ])("inserts an entry %s", async (_, id) => {
    await sealedEntries();
    await client.query("begin; insert into crm.companies (name) values ('gone'); rollback");
    await sealedEntries();
    const gap = await value<string>(
      `select max(id) from crm.audit_logs as before
       where not exists (select from crm.audit_logs where id = before.id + 1)
         and id < (select max(id) from crm.audit_logs)`,
    );
    const verdict = await behindTheBack(
      [
        [
          `insert into crm.audit_logs overriding system value
           select ${id}, entity_type, entity_id, action, 'mallory', changes, "timestamp",
             transaction_id, source
           from crm.audit_logs where id = $1`,
          [gap],
        ],
      ],
      verify,
    );
    expect(verdict).toMatchObject({
      fault: "inserted",
      entry_id: id === "-5" ? "-5" : String(BigInt(gap) + 1n),
    });
  });

  test("doubles an entry, having dropped the key", async () => {
    const [entry] = await sealedEntries();
    const verdict = await behindTheBack(
      [
        ["alter table crm.audit_logs drop constraint audit_logs_pkey"],
        [
          `insert into crm.audit_logs overriding system value
           select * from crm.audit_logs where id = $1`,
          [entry],
        ],
      ],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "inserted", entry_id: entry });
  });

  test("swaps what two entries say", async () => {
    const [first, second] = await sealedEntries();
    const verdict = await behindTheBack(
      [
        [
          `update crm.audit_logs as entry set changes = other.changes
           from crm.audit_logs as other
           where entry.id = any ($1) and other.id = any ($1) and entry.id <> other.id`,
          [[first, second]],
        ],
      ],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "altered", entry_id: first });
  });

  test.each([
    "digests[1] = sha256('x')",
    "ids[1] = ids[1] - 1",
    "hash = sha256('x')",
    "previous = sha256('x')",
    "sealed_at = sealed_at - interval '1 day'",
    "last_id = last_id - 1",
  ])("rewrites a block: %s", async (assignment) => {
    const [first, second, third, fourth] = await sealedEntries();
    expect([first, second, third]).not.toContain(undefined);
    const verdict = await behindTheBack(
      [
        [
          `update crm_private.audit_log_blocks set ${assignment} where ids @> array[$1::bigint]`,
          [fourth],
        ],
      ],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "rewritten", entry_id: fourth });
  });

  test("changes an entry after a block was rewritten is told the block, before it the entry", async () => {
    const ids = await sealedEntries();
    const rewritten: [string, unknown[]] = [
      "update crm_private.audit_log_blocks set hash = sha256('x') where ids @> array[$1::bigint]",
      [ids[3]],
    ];
    const alter = "update crm.audit_logs set user_id = 'mallory' where id = $1";
    expect(await behindTheBack([rewritten, [alter, [ids[8]]]], verify)).toMatchObject({
      fault: "rewritten",
      entry_id: ids[3],
    });
    expect(await behindTheBack([rewritten, [alter, [ids[0]]]], verify)).toMatchObject({
      fault: "altered",
      entry_id: ids[0],
    });
  });

  test("removes a block with its entries", async () => {
    const ids = await sealedEntries();
    const verdict = await behindTheBack(
      [
        ["delete from crm.audit_logs where id = any ($1)", [ids.slice(3, 6)]],
        ["delete from crm_private.audit_log_blocks where ids @> array[$1::bigint]", [ids[3]]],
      ],
      verify,
    );
    expect(verdict).toMatchObject({ fault: "rewritten", entry_id: ids[3] });
  });
});

describe("against a superuser who makes the seals anew", () => {
  /** What it takes: forget the seals from an entry's block on, and seal again. */
  const sealAnew = (id: string): [string, unknown[]][] => [
    ["delete from crm_private.audit_log_blocks where last_id >= $1", [id]],
    [
      `update crm_private.audit_log_progress
       set sealed_to = (select coalesce(max(last_id), 0) from crm_private.audit_log_blocks),
           pending_to = (select max(id) from crm.audit_logs), pending_for = '{}'`,
      [],
    ],
    ["select crm_private.seal_audit_log()", []],
  ];

  test("the audit log alone proves nothing, the digest that was kept elsewhere does", async () => {
    const [entry = ""] = await sealedEntries();
    const digest = await digestNow();
    await sealedEntries();
    await behindTheBack(
      [
        ["update crm.audit_logs set user_id = 'mallory' where id = $1", [entry]],
        ...sealAnew(entry),
      ],
      async () => {
        expect(await verify()).toMatchObject({ intact: true });
        expect(await verify(digest)).toMatchObject({ intact: false, fault: "rewritten" });
      },
    );
    expect(await verify(digest)).toMatchObject({ intact: true });
  });

  test("the digest finds the end cut off", async () => {
    const [entry = ""] = await sealedEntries();
    const digest = await digestNow();
    await behindTheBack(
      [
        ["delete from crm.audit_logs where id >= $1", [entry]],
        ["delete from crm_private.audit_log_blocks where last_id >= $1", [entry]],
      ],
      async () => {
        expect(await verify()).toMatchObject({ intact: true });
        expect(await verify(digest)).toMatchObject({ fault: "rewritten", entry_id: entry });
      },
    );
  });
});

test("a digest is good for as long as the audit log goes on", async () => {
  const digest = await digestNow();
  await sealedEntries();
  expect(await digestNow()).not.toBe(digest);
  expect(await verify(digest)).toMatchObject({ intact: true });
  expect(await verify(`0-${"0".repeat(64)}`)).toMatchObject({ intact: true });
});

test.each(["", "x", "1-0", `-1-${"0".repeat(64)}`, `1-${"0".repeat(64)}\n`, `1-${"G".repeat(64)}`])(
  "what is no digest is refused: %j",
  async (digest) => {
    await client.query("begin");
    expect(await refusal(client, "select crm.verify_audit_log($1)", [digest])).toMatchObject({
      code: "23514",
      constraint: "verify_audit_log_digest_format",
      fields: { digest: ["is not a digest that auditLogDigest returns"] },
    });
    await client.query("rollback");
  },
);

describe("sealing", () => {
  test("neither waits for writers nor misses what they commit late", async () => {
    await digestNow();
    await withConnection(database.ownerUrl, async (writer) => {
      await writer.query("begin");
      await writer.query("insert into crm.companies (name) values ('early id, late commit')");
      await client.query("insert into crm.companies (name) values ('late id, early commit')");
      expect(await verify()).toMatchObject({ intact: true, unsealed: "1" });
      await writer.query("commit");
    });
    expect(await verify()).toMatchObject({ intact: true, unsealed: "0" });
  });

  test("comes along although there is always somebody writing", async () => {
    await digestNow();
    const writers = await Promise.all([connect(database.ownerUrl), connect(database.ownerUrl)]);
    const insert = "insert into crm.companies (name) values ('busy')";
    await writers[0].query(`begin; ${insert}`);
    for (let round = 0; round < 6; round += 1) {
      const [ending, beginning] = round % 2 === 0 ? writers : writers.toReversed();
      await beginning?.query(`begin; ${insert}`);
      await value("crm_private.seal_audit_log()");
      await ending?.query("commit");
    }
    const unsealed = await value<string>(
      "select unsealed from crm_private.check_audit_log() as verdict",
    );
    expect(Number(unsealed)).toBeLessThan(6);
    await Promise.all(writers.map((writer) => writer.end()));
    expect(await verify()).toMatchObject({ intact: true, unsealed: "0" });
  });

  test("is done by one at a time; who comes second goes on without", async () => {
    await client.query("insert into crm.companies (name) values ('A')");
    await withConnection(database.ownerUrl, async (other) => {
      await other.query("begin");
      expect(await value("crm_private.seal_audit_log()", [], other)).toBe("1");
      expect(await value("crm_private.seal_audit_log()")).toBe("0");
      await other.query("rollback");
    });
    expect(await value("crm_private.seal_audit_log()")).toBe("1");
  });

  test.each(["begin isolation level repeatable read", "begin read only"])(
    "is left to others by a transaction that may not see or write: %s",
    async (begin) => {
      await client.query("insert into crm.companies (name) values ('A')");
      await client.query(begin);
      expect(await verify()).toMatchObject({ intact: true, unsealed: "1" });
      await client.query("rollback");
      expect(await verify()).toMatchObject({ intact: true, unsealed: "0" });
    },
  );

  test("takes in what its own transaction wrote, and is taken back with it", async () => {
    const digest = await digestNow();
    await client.query("begin");
    await client.query("insert into crm.companies (name) values ('A')");
    expect(await verify()).toMatchObject({ intact: true, unsealed: "0" });
    expect(await digestNow()).not.toBe(digest);
    await client.query("rollback");
    expect(await digestNow()).toBe(digest);
    expect(await verify(digest)).toMatchObject({ intact: true, unsealed: "0" });
  });

  test("is not held up by what is written in another database", async () => {
    const other = await createTestDatabase();
    await withConnection(other.ownerUrl, async (writer) => {
      await writer.query("begin; insert into crm.companies (name) values ('elsewhere')");
      await client.query("insert into crm.companies (name) values ('A')");
      expect(await verify()).toMatchObject({ unsealed: "0" });
    });
    await other.drop();
  });

  test("goes over ids that were given out in vain, however many", async () => {
    await value("setval('crm.audit_logs_id_seq', nextval('crm.audit_logs_id_seq') + 10000000000)");
    await client.query("insert into crm.companies (name) values ('A')");
    expect(await value("crm_private.seal_audit_log()")).toBe("1");
    expect(await verify()).toMatchObject({ intact: true, unsealed: "0" });
  });

  test("of more than a block holds makes several", async () => {
    await client.query(
      "insert into crm.companies (name) select 'C' || i from generate_series(1, 25000) as i",
    );
    const before = await value<number>("select max(number)::int from crm_private.audit_log_blocks");
    expect(await value("crm_private.seal_audit_log()")).toBe("25000");
    expect(await value("select max(number)::int from crm_private.audit_log_blocks")).toBe(before + 3);
    expect(await verify()).toMatchObject({ intact: true });
  });

  test("goes on when those it waits for are gone, as after a restart or in a restored dump", async () => {
    await withConnection(database.ownerUrl, async (writer) => {
      await writer.query("begin; insert into crm.companies (name) values ('lost')");
      await client.query("insert into crm.companies (name) values ('kept')");
      expect(await value("crm_private.seal_audit_log()")).toBe("0");
      await client.query("update crm_private.audit_log_progress set pending_for = '{99999/1}'");
      await writer.query("rollback");
    });
    expect(await value("crm_private.seal_audit_log()")).toBe("1");
    expect(await verify()).toMatchObject({ intact: true, unsealed: "0" });
  });
});

test("an audit log that was copied to another database is intact there, and goes on", async () => {
  await sealedEntries();
  const digest = await digestNow();
  await client.query("insert into crm.companies (name) values ('not sealed yet')");
  const copy = await createTestDatabase();
  await withConnection(copy.ownerUrl, async (other) => {
    await other.query("set session_replication_role = replica; set timezone = 'Asia/Tokyo'");
    for (const table of [
      "crm.audit_logs",
      "crm_private.audit_log_blocks",
      "crm_private.audit_log_progress",
    ]) {
      await other.query(`delete from ${table}`);
      await pipeline(
        client.query(copyTo(`copy (select * from ${table}) to stdout`)),
        other.query(copyFrom(`copy ${table} from stdin`)),
      );
    }
    const last = await value<string>("select max(id) from crm.audit_logs");
    await other.query("select setval('crm.audit_logs_id_seq', $1)", [last]);
    await other.query("reset session_replication_role");

    expect(await verify(digest, other)).toMatchObject({ intact: true, unsealed: "0" });
    await other.query("insert into crm.companies (name) values ('new')");
    expect(await verify(digest, other)).toMatchObject({ intact: true, unsealed: "0" });
  });
  await copy.drop();
});

test.each(["crm_reader", "crm_member", "crm_server", "crm_reporter"])(
  "%s can neither verify nor read seals",
  async (role) => {
    await client.query("begin");
    await client.query(`set local role ${role}`);
    for (const statement of [
      "select crm.verify_audit_log()",
      "select crm.audit_log_digest()",
      "select * from crm_private.audit_log_blocks",
      "update crm_private.audit_log_progress set sealed_to = 0",
    ]) {
      expect(await refusal(client, statement)).toMatchObject({ code: "42501" });
    }
    await client.query("rollback");
  },
);

test("an administrator verifies, and cannot write seals", async () => {
  await client.query("begin");
  await client.query("set local role crm_admin");
  expect(await verify()).toMatchObject({ intact: true });
  for (const statement of [
    "delete from crm_private.audit_log_blocks",
    "select crm_private.check_audit_log()",
    "select crm_private.seal_audit_log()",
  ]) {
    expect(await refusal(client, statement)).toMatchObject({ code: "42501" });
  }
  await client.query("rollback");
});
