import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "@jest/globals";

import { printApi } from "../../../../server/graphql/schema/sdl.ts";
import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

test("schema.graphql is what the database yields; npm run schema:print writes it", async () => {
  const written = await readFile(join(import.meta.dirname, "../../../../schema.graphql"), "utf8");
  expect(await printApi(crm.database.serverUrl)).toBe(written);
});
