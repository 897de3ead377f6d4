import { afterAll, beforeAll, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { runDemo } from "../../../server/cli/demo-data.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test("the demonstration data are added once, and the audit log says by whom", async () => {
  const counts = await runDemo(database.serverUrl);
  expect(counts).toMatchObject({ companies: 6, contacts: 8, deals: 8, tasks: 5, notes: 3 });
  expect(await runDemo(database.serverUrl)).toBeUndefined();

  const { rows } = await withConnection(database.ownerUrl, (client) =>
    client.query(
      `select (select count(*)::integer from crm.companies) as companies,
              (select count(*)::integer from crm.contacts) as contacts,
              (select count(*)::integer from crm.deals) as deals,
              (select count(*)::integer from crm.tasks) as tasks,
              (select count(*)::integer from crm.notes) as notes`,
    ),
  );
  expect(rows).toEqual([counts]);

  const writers = await withConnection(database.ownerUrl, (client) =>
    client.query("select distinct user_id, source from crm.audit_logs where entity_type = 'deal'"),
  );
  expect(writers.rows).toEqual([{ user_id: "demo", source: "import" }]);
});
