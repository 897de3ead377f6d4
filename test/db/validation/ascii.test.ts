import { expect, test } from "@jest/globals";

import { withRollback } from "../../helpers/database.ts";

test("a text of printable ASCII that begins with a visible character satisfies the rules of characters", () =>
  withRollback(async (client) => {
    const { rows } = await client.query(
      `select text
       from generate_series(33, 126) as first
       cross join generate_series(32, 126) as second
       cross join lateral (select chr(first) || chr(second) as text) as pair
       where crm_private.is_blank(text)
         or not crm_private.is_legible(text)
         or not crm_private.is_printable(text)`,
    );
    expect(rows).toEqual([]);
  }));

test.each(["\u00AD", "\u200B", "a\u200Bb", "a\u0007", " ", ""])(
  "an update to a name that no one can read is refused: %j",
  (name) =>
    withRollback(async (client) => {
      const { rows } = await client.query<{ id: string }>(
        "insert into crm.companies (name) values ('Acme') returning id",
      );
      await expect(
        client.query("update crm.companies set name = $2 where id = $1", [rows[0]?.id, name]),
      ).rejects.toMatchObject({ code: "23514", detail: expect.stringContaining('"name"') });
    }),
);
