import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "@jest/globals";

import { dumpSchema, postgres15 } from "../../../scripts/dump/schema.ts";
import { withConnection } from "../../../server/postgres/connect.ts";
import { createTestDatabase } from "../../helpers/database.ts";

/** pg_dump takes no newer server than itself, and tells an older one differently. */
const is15 =
  process.env.PGCRM_TEST_POSTGRES === postgres15 && existsSync(join(postgres15, "bin", "pg_dump"));

(is15 ? test : test.skip)(
  "db/schema.sql is what the migrations make on 15; npm run schema:dump writes it",
  async () => {
    const database = await createTestDatabase();
    try {
      const { rows } = await withConnection(database.ownerUrl, (client) =>
        client.query<{ major: number }>(
          "select current_setting('server_version_num')::integer / 10000 as major",
        ),
      );
      expect(rows).toEqual([{ major: 15 }]);
      const written = await readFile(join(import.meta.dirname, "../../../db/schema.sql"), "utf8");
      expect(await dumpSchema(database.ownerUrl)).toBe(written);
    } finally {
      await database.drop();
    }
  },
);
