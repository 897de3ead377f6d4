import { randomUUID } from "node:crypto";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import {
  UnavailableError,
  ForbiddenError,
  NotFoundError,
  ValidationError,
} from "../../../server/errors/classes.ts";
import { createPool, inTransaction } from "../../../server/postgres/pool.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { untilWaiting } from "../../helpers/database.ts";
import { freePort } from "../../helpers/process.ts";
import { usePool } from "./usePool.ts";

const crm = usePool();
const ada = { firstName: "Ada", lastName: "Byron" };
let repositories: Repositories;
beforeAll(() => {
  repositories = createRepositories(crm.pool);
});

describe("inTransaction", () => {
  test("keeps all of what is done in it, as its user and source", async () => {
    const session = { role: "crm_member", userId: "ada", source: "import" } as const;
    const contact = await inTransaction(crm.pool, session, async (client) => {
      const { id } = await repositories.companies.create({ name: "Acme" }, "ada", client);
      return repositories.contacts.create({ ...ada, companyId: id }, "ada", client);
    });
    const [entry] = await repositories.contacts.history(contact.id);
    expect(entry).toMatchObject({ userId: "ada", source: "import" });
  });

  test("keeps nothing of it where one thing fails", async () => {
    const ownerId = randomUUID();
    const work = inTransaction(crm.pool, { role: "crm_member", userId: "ada" }, async (client) => {
      await repositories.contacts.create({ ...ada, ownerId }, "ada", client);
      await repositories.contacts.delete(randomUUID(), "ada", client);
    });
    await expect(work).rejects.toThrow(NotFoundError);
    expect(await repositories.contacts.findAll({ ownerId: { equalTo: ownerId } })).toEqual([]);
  });

  test("sees its own changes, which others do not see yet", async () => {
    await inTransaction(crm.pool, { role: "crm_member", userId: "ada" }, async (client) => {
      const { id } = await repositories.contacts.create(ada, "ada", client);
      expect(await repositories.contacts.findById(id, {}, client)).not.toBeNull();
      expect(await repositories.contacts.findById(id)).toBeNull();
    });
  });

  test("gives a repository no more rights than its session has", async () => {
    const work = inTransaction(crm.pool, { role: "crm_member", userId: "ada" }, (client) =>
      repositories.pipelineStages.create({ name: "Engaging" }, "ada", client),
    );
    await expect(work).rejects.toThrow(ForbiddenError);
  });

  test("reports what plain SQL does wrong as a typed error too", async () => {
    const work = inTransaction(crm.pool, { role: "crm_member", userId: "ada" }, (client) =>
      client.query("insert into crm.companies (name) values ('')"),
    );
    await expect(work).rejects.toMatchObject({ fields: { name: ["must not be blank"] } });
  });

  test("leaves no role and no user on the connection", async () => {
    const pool = createPool({ connectionString: crm.database.serverUrl, max: 1 });
    try {
      await inTransaction(pool, { role: "crm_admin", userId: "ada" }, () => Promise.resolve());
      await createRepositories(pool).contacts.create(ada, "ada");
      const { rows } = await pool.query<{ role: string; user_id: string }>(
        "select current_user as role, current_setting('crm.user_id', true) as user_id",
      );
      expect(rows).toEqual([{ role: "crm_server", user_id: "" }]);
    } finally {
      await pool.end();
    }
  });

  test("refuses the name of a database session", async () => {
    const session = { role: "crm_member", userId: "db:postgres" } as const;
    const work = inTransaction(crm.pool, session, () => Promise.resolve());
    await expect(work).rejects.toThrow(ValidationError);
  });
});

describe("a client of the caller's", () => {
  test("gets the repository's role where its transaction has none", async () => {
    const client = await crm.pool.connect();
    try {
      await client.query("begin");
      const { id } = await repositories.contacts.create(ada, "ada", client);
      await repositories.notes.create(
        { content: "note", entityType: "contact", entityId: id },
        "bob",
        client,
      );
      await client.query("commit");
      const found = await repositories.contacts.findById(id, { with: { notes: true } });
      expect(found).toMatchObject({ createdBy: "ada", notes: [{ createdBy: "bob" }] });
    } finally {
      client.release();
    }
  });

  test("is refused outside a transaction, where the user would be lost", async () => {
    const client = await crm.pool.connect();
    try {
      await expect(repositories.contacts.create(ada, "ada", client)).rejects.toThrow(TypeError);
    } finally {
      client.release();
    }
  });
});

test("a call that loses a deadlock is tried again, and succeeds in the end", async () => {
  const company = await repositories.companies.create({ name: "Acme" }, "ada");
  const contact = await repositories.contacts.create({ ...ada, companyId: company.id }, "ada");

  await withConnection(crm.database.ownerUrl, async (other) => {
    await other.query("set deadlock_timeout = '30s'"); // so that the call is the one that is chosen
    await other.query("begin");
    await other.query("update crm.contacts set owner_id = 'eve' where id = $1", [contact.id]);
    // It has the company and waits for the contact.
    const pending = repositories.companies.delete(company.id, "ada");
    await untilWaiting(other);
    await other.query("update crm.companies set owner_id = 'eve' where id = $1", [company.id]);
    await other.query("commit");
    await pending;
  });

  expect(await repositories.companies.findById(company.id)).toBeNull();
  expect(await repositories.contacts.findById(contact.id)).toMatchObject({
    ownerId: "eve",
    companyId: null,
  });
});

describe("a pool", () => {
  test("waits for a server that is not there yet", async () => {
    const { hostname, port } = new URL(crm.database.serverUrl);
    const api = createServer((client) => {
      client.pipe(connect(Number(port), hostname)).pipe(client);
    });
    const doorUrl = new URL(crm.database.serverUrl);
    doorUrl.port = String(await freePort());
    const pool = createPool({ connectionString: doorUrl.href });
    const found = createRepositories(pool).pipelineStages.findAll({ name: { equalTo: "Won" } });
    await sleep(200);
    api.listen(Number(doorUrl.port), "127.0.0.1");
    expect(await found).toHaveLength(1);
    await pool.end();
    api.close();
  });

  test("gives up in the end, with a typed error", async () => {
    const connectionString = `postgres://crm@127.0.0.1:${await freePort()}/crm`;
    const pool = createPool({ connectionString, connectAttempts: 2 });
    await expect(createRepositories(pool).contacts.findAll()).rejects.toThrow(UnavailableError);
    await pool.end();
  });
});
