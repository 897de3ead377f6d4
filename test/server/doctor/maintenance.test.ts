import { expect, test } from "@jest/globals";

import { connect, withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase } from "../../helpers/database.ts";
import { until } from "../../helpers/process.ts";
import { startTestServer } from "../../helpers/server.ts";

/** Whether an error is the database's. */
const hasCode = (error: unknown) => typeof error === "object" && error !== null && "code" in error;

const often = { seal: 50, maintain: 50 };

test("servers seal, purge and make partitions while they run, several at once", async () => {
  const database = await createTestDatabase();
  const client = await connect(database.ownerUrl);
  await client.query("insert into crm.companies (name) values ('Gone')");
  await client.query("delete from crm.companies");
  await client.query("select crm.set_trash_retention(0)");
  const { rows } = await client.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relname like 'audit\\_logs\\_2%' and relkind = 'r' order by relname desc limit 1`,
  );
  const last = rows[0]?.name ?? "";
  await client.query(`drop table ${last}`);

  const holds = async (condition: string): Promise<boolean> => {
    const answer = await client.query<{ holds: boolean }>(`select (${condition}) as holds`);
    return answer.rows[0]?.holds === true;
  };
  const servers = await Promise.all(
    [1, 2].map(() => startTestServer(database.serverUrl, { maintenance: often })),
  );
  await until(() => holds(`to_regclass('${last}') is not null`));
  await until(() => holds("exists (select from crm.audit_logs where action = 'purge')"));
  await client.query("insert into crm.companies (name) values ('Acme')");
  await until(() =>
    holds(`(select max(last_id) from crm_private.audit_log_blocks)
           = (select max(id) from crm.audit_logs)`),
  );
  expect(await holds("(crm_private.check_audit_log()).intact")).toBe(true);
  await Promise.all(servers.map((server) => server.close()));
  const refused = servers.flatMap(({ log }) => log).filter(({ err }) => hasCode(err));
  expect(refused).toEqual([]);

  await client.end();
  await database.drop();
});

test("a server that cannot look after the audit log says so in its log, and tries again", async () => {
  const database = await createTestDatabase();
  await withConnection(database.ownerUrl, async (client) => {
    await client.query("revoke execute on function crm_private.seal_audit_log from crm_server");
    const server = await startTestServer(database.serverUrl, { maintenance: often });
    const complaints = () =>
      server.log.filter(({ msg }) => msg === "could not seal the audit log").length;
    await until(async () => Promise.resolve(complaints() > 1));
    await client.query("grant execute on function crm_private.seal_audit_log to crm_server");
    await until(
      async () =>
        (await client.query("select from crm_private.audit_log_blocks limit 1")).rowCount === 1,
    );
    await server.close();
  });
  await database.drop();
});
