import { Agent, request } from "node:http";

import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { databaseName } from "../../../server/postgres/database-url.ts";
import { signToken } from "../../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { pgbouncerVersion, startPgBouncer } from "../../helpers/pgbouncer.ts";
import { type Answer, jwtSecret, startTestServer } from "../../helpers/server.ts";

jest.setTimeout(300_000);

const count = 10_000;

/** How many requests are under way at once, over a pool of three connections. */
const width = 24;

const roles = ["reader", "member", "admin"] as const;

interface User {
  name: string;
  role: (typeof roles)[number];
  token: string;
}

let database: TestDatabase;
let users: User[];

beforeAll(async () => {
  database = await createTestDatabase();
  await withConnection(database.ownerUrl, (client) =>
    client.query(
      `alter role crm_server in database ${databaseName(database.ownerUrl)} set lock_timeout = 40`,
    ),
  );
  users = await Promise.all(
    Array.from({ length: 7 }, async (_, i) => {
      const [name, role] = [`user-${i}`, roles[i % 3] ?? "reader"];
      return { name, role, token: await signToken(jwtSecret, { role, user: name, expires: "1h" }) };
    }),
  );
});
afterAll(() => database.drop());

interface Data {
  currentUserId?: string;
  createCompany?: { company: { createdBy: string } } | null;
}

/** Sends `count` requests of alternating users, and gives those that went wrong. */
async function alternate(serverUrl: string, preparedStatements: boolean): Promise<unknown[]> {
  const server = await startTestServer(serverUrl, {
    poolSize: 3,
    preparedStatements,
    timeouts: { pool: 60_000 }, // they are to wait for each other, not to be turned away
  });
  const agent = new Agent({ keepAlive: true, maxSockets: width });
  const wrong: unknown[] = [];
  const seen = { answered: 0, refused: 0, faulty: 0, late: 0, abandoned: 0 };

  async function post(user: User, query: string, isAbandoned = false): Promise<Answer<Data>> {
    return new Promise((resolve, reject) => {
      const asking = request(`${server.url}/graphql`, {
        method: "POST",
        agent,
        headers: { "content-type": "application/json", authorization: `Bearer ${user.token}` },
      });
      asking.once("error", reject);
      asking.once("response", (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
        response.once("end", () => {
          resolve({ status: response.statusCode ?? 0, ...(JSON.parse(body) as object) });
        });
      });
      asking.end(JSON.stringify({ query }));
      if (isAbandoned) setTimeout(() => asking.destroy(new Error("abandoned")), 2);
    });
  }

  const create = (name: string) =>
    `mutation { createCompany(input: { company: { name: "${name}" } }) { company { createdBy } } }`;

  async function ask(i: number): Promise<void> {
    const user = users[i % users.length];
    if (user === undefined) return;
    const expect = (isRight: boolean, answer: unknown) => {
      if (!isRight) wrong.push({ i, user: user.name, role: user.role, answer });
    };
    const kind = i % 10;
    if (i % 200 === 9) {
      const answer = await post(user, "{ pipelineStages { totalCount } }");
      seen.late += 1;
      expect(answer.errors?.length === 1, answer);
    } else if (i % 50 === 29) {
      await post(user, "{ currentUserId companies { totalCount } }", true).catch(() => {
        seen.abandoned += 1;
      });
    } else if (kind === 7) {
      const answer = await post(user, create(" "));
      seen.faulty += 1;
      const code = user.role === "reader" ? "FORBIDDEN" : "VALIDATION_ERROR";
      expect(answer.errors?.[0]?.extensions.code === code, answer);
    } else if (kind === 6) {
      const answer = await post(user, create(`of ${user.name}`));
      if (user.role === "reader") {
        seen.refused += 1;
        expect(answer.errors?.[0]?.extensions.code === "FORBIDDEN", answer);
      } else {
        seen.answered += 1;
        expect(answer.data?.createCompany?.company.createdBy === user.name, answer);
      }
    } else {
      const answer = await post(user, "{ currentUserId }");
      seen.answered += 1;
      expect(answer.data?.currentUserId === user.name, answer);
    }
  }

  await withConnection(database.ownerUrl, async (client) => {
    // Whoever asks for the stages waits for this lock until the time is up.
    await client.query("begin; lock table crm.pipeline_stages in access exclusive mode");
    let next = 0;
    const side = async () => {
      for (let i = (next += 1); i <= count; i = next += 1) await ask(i);
    };
    await Promise.all(Array.from({ length: width }, side));
    await client.query("rollback");

    const { rows } = await client.query<Record<string, unknown>>(
      `select name, created_by, user_id
         from crm.companies as company
         left join crm.audit_logs as entry on entry.entity_id = company.id
        where name <> 'of ' || created_by or user_id is distinct from created_by`,
    );
    wrong.push(...rows);
  });
  for (const [kind, times] of Object.entries(seen)) if (times === 0) wrong.push(`none ${kind}`);
  agent.destroy();
  await server.close();
  return wrong;
}

describe("no request sees the identity of another", () => {
  test("through one small pool, while some fail, time out or are abandoned", async () => {
    expect(await alternate(database.serverUrl, true)).toEqual([]);
  });

  const version = pgbouncerVersion();
  const without = "there is no pgbouncer here: apt-get install pgbouncer";

  (version === undefined ? test.skip : test)(
    `through PgBouncer in transaction mode, with nothing prepared${version === undefined ? ` (${without})` : ""}`,
    async () => {
      const bouncer = await startPgBouncer(database.serverUrl);
      expect(await alternate(bouncer.url, false)).toEqual([]);
      // It drops the timeouts that the server asks for; those of the role hold.
      const { rows } = await withConnection(bouncer.url, (client) =>
        client.query("show statement_timeout"),
      );
      expect(rows).toEqual([{ statement_timeout: "20s" }]);
      await bouncer.close();
    },
  );

  const isNew = version !== undefined && version >= 1.21;
  (isNew ? test : test.skip)(
    `through PgBouncer in transaction mode, with prepared statements${isNew ? "" : " (this needs pgbouncer 1.21)"}`,
    async () => {
      const bouncer = await startPgBouncer(database.serverUrl, { max_prepared_statements: "200" });
      expect(await alternate(bouncer.url, true)).toEqual([]);
      await bouncer.close();
    },
  );
});
