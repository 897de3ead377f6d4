import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { renderPhonePlans } from "../../../scripts/generate-phones.ts";
import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

test("what is known of numbers is what libphonenumber knows", () => {
  for (const [path, text] of renderPhonePlans()) {
    expect(readFileSync(join(import.meta.dirname, "../../..", path), "utf8")).toBe(text);
  }
});

test.each([
  ["+33 6 47 18 67 44", null, "+33647186744"],
  ["0033 6 47 18 67 44", null, "+33647186744"],
  ["+33 (0)6 47 18 67 44", null, "+33647186744"],
  ["tel:+33-6-47-18-67-44", null, "+33647186744"],
  ["＋33 ６ 47 18 67 44", null, "+33647186744"],
  ["06 47 18 67 44", null, "647186744"],
  ["06 47 18 67 44", "FR", "+33647186744"],
  ["٠٦ ٤٧ ١٨ ٦٧ ٤٤", "FR", "+33647186744"],
  ["33 6 47 18 67 44", "FR", "+33647186744"],
  ["(415) 555-2671", "US", "+14155552671"],
  ["1-415-555-2671", "US", "+14155552671"],
  ["011 33 6 47 18 67 44", "US", "+33647186744"],
  ["8 (912) 345-67-89", "RU", "+79123456789"],
  ["8~10 33 647186744", "RU", "+33647186744"],
  ["06 30 123 4567", "HU", "+36301234567"],
  ["010 33 647186744", "JP", "+33647186744"],
  ["+1 212 555 0100 ext. 4048", null, "+12125550100x4048"],
  ["+1 212 555 0100x123", null, "+12125550100x123"],
  ["+1 212 555 0100 X 123", null, "+12125550100x123"],
  ["+1 212 555 0100 #12", null, "+12125550100x12"],
  ["+1 212 555 0100 extension 12", null, "+12125550100x12"],
  ["+1-212-555-0100;ext=12", null, "+12125550100x12"],
  ["+7 495 123-45-67 доб. 89", null, "+74951234567x89"],
  ["+33 1 23 45 67 89 poste 12", null, "+33123456789x12"],
  ["555-2671", "US", "5552671"],
  ["110", "DE", "110"],
  ["no number", "DE", ""],
  ["", null, ""],
])("a number has one form: %s, in %s, is %s", (phone, country, expected) =>
  withRollback(async (client) => {
    const { rows } = await client.query(
      "select crm_private.phone_number($1, $2) as number, crm_private.phone_number($3) as empty",
      [phone, country, ""],
    );
    expect(rows).toEqual([{ number: expected, empty: "" }]);
  }),
);

/** Contacts, one with each number, by their last names. */
async function callers(client: pg.Client, phones: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, phone] of Object.entries(phones)) {
    await client.query(
      "insert into crm.contacts (first_name, last_name, phones) values ('Caller', $1, array[$2])",
      [name, phone],
    );
  }
}

const world = {
  Aubert: "06 47 18 67 44",
  Bernard: "+33 6 47 18 67 44",
  Claude: "0033 647 186 744",
  Daniel: "+49 647 186744",
  Evans: "(415) 555-2671",
  Foster: "+1 415 555 2671 ext. 4048",
  Gordon: "415.555.2671 x99",
  Ivanov: "+7 912 345-67-89",
  Petrov: "8 (912) 345-67-89",
};

async function found(client: pg.Client, query: string): Promise<string[]> {
  const { rows } = await client.query<{ last_name: string }>(
    `select last_name from crm.search($1) as hit join crm.contacts on id = hit.contact_id`,
    [query],
  );
  return rows.map((row) => row.last_name).toSorted();
}

describe("search finds a number in whatever form", () => {
  const french = ["Aubert", "Bernard", "Claude"];
  const american = ["Evans", "Foster", "Gordon"];
  test.each([
    ["+33 6 47 18 67 44", french],
    ["0033 6 47 18 67 44", french],
    ["0033647186744", french],
    ["+33 (0)6 47 18 67 44", french],
    ["+33 6 47 18", french],
    ["06 47 18 67 44", [...french, "Daniel"]],
    ["0647186744", [...french, "Daniel"]],
    ["+49 647 186744", ["Aubert", "Daniel"]],
    ["+1 415 555 2671", american],
    ["(415) 555-2671", american],
    ["1-415-555-2671", american],
    ["+1 415 555 2671 ext. 1", american],
    ["+1 (415) 555-2671 x4048", american],
    ["+7 912 345-67-89", ["Ivanov", "Petrov"]],
    ["8 912 345-67-89", ["Ivanov", "Petrov"]],
    ["foster +1 415 555 2671", ["Foster"]],
  ])("%s", (query, expected) =>
    withRollback(async (client) => {
      await callers(client, world);
      await asRole(client, "crm_reader", "rita");
      expect(await found(client, query)).toEqual(expected);
    }),
  );

  test("a default country says what a number without a code is", () =>
    withRollback(async (client) => {
      await callers(client, world);
      await client.query("select crm.set_default_country('FR')");
      await asRole(client, "crm_reader", "rita");
      expect(await found(client, "06 47 18 67 44")).toEqual(french);
      expect(await found(client, "+49 647 186744")).toEqual(["Daniel"]);
    }));
});

describe("duplicates", () => {
  async function alike(client: pg.Client, one: string, other: string): Promise<boolean> {
    await callers(client, { Miller: one, Garcia: other });
    const { rows } = await client.query<{ reasons: string[] }>(
      `select duplicate.reasons
       from crm.contacts as contact
       cross join lateral crm.contacts_duplicates(contact, 0.1) as duplicate
       where contact.last_name = 'Miller'`,
    );
    const groups = await client.query(
      "select from crm.duplicate_groups('contact', 0.3) where 'phone' = any (reasons)",
    );
    const isFound = rows.some(({ reasons }) => reasons.includes("phone"));
    expect(groups.rowCount).toBe(isFound ? 1 : 0);
    return isFound;
  }

  test.each([
    ["+33 6 47 18 67 44", "06 47 18 67 44", true],
    ["+33 6 47 18 67 44", "0033 6 47 18 67 44", true],
    ["+1 415 555 2671", "(415) 555-2671", true],
    ["+1 212 555 0100", "+1 212 555 0100 ext. 4048", true],
    ["(212) 555-0100 #12", "+1 212 555 0100", true],
    ["+1 212 555 0100 x1", "+1 212 555 0100 ext. 4048", false],
    ["+1 212 555 0100 x12", "+1 212 555 0100 #12", true],
    ["8 (912) 345-67-89", "+7 912 345-67-89", true],
    ["+33 6 47 18 67 44", "+49 6 47 18 67 44", false],
    ["٠٦٤٧١٨٦٧٤٤", "+33 6 47 18 67 44", true],
    ["+1 212 555 0100", "+1 212 555 0101", false],
  ])("%s and %s are one number: %s", (one, other, expected) =>
    withRollback(async (client) => {
      expect(await alike(client, one, other)).toBe(expected);
    }),
  );

  test("a number without a code is of the default country", () =>
    withRollback(async (client) => {
      await client.query("select crm.set_default_country('FR')");
      expect(await alike(client, "+49 6 47 18 67 44", "06 47 18 67 44")).toBe(false);
    }));

  test("a merge keeps one of two numbers that are written in two ways", () =>
    withRollback(async (client) => {
      await callers(client, { Miller: "+33 6 47 18 67 44", Garcia: "0033 647186744" });
      await client.query(`select crm.merge_contacts(
        (select id from crm.contacts where last_name = 'Miller'),
        array(select id from crm.contacts where last_name = 'Garcia'))`);
      const { rows } = await client.query("select phones from crm.contacts");
      expect(rows).toEqual([{ phones: ["+33 6 47 18 67 44"] }]);
    }));
});

describe("the default country", () => {
  test("is set by administrators, logged, and null to begin with", () =>
    withRollback(async (client) => {
      const country = async () =>
        (await client.query<{ country: string | null }>("select crm.default_country() as country"))
          .rows[0]?.country;
      await asRole(client, "crm_admin", "ann");
      expect(await country()).toBeNull();
      await client.query("select crm.set_default_country('FR')");
      await client.query("select crm.set_default_country('FR')");
      expect(await country()).toBe("FR");
      for (const wrong of ["fr", "XX", "France", ""]) {
        expect(await refusal(client, "select crm.set_default_country($1)", [wrong])).toMatchObject({
          code: "23514",
          constraint: "settings_default_country_known",
          fields: { country: [`${JSON.stringify(wrong)} is not an ISO 3166 country code`] },
        });
      }
      await client.query("select crm.set_default_country(null)");
      expect(await country()).toBeNull();
      const { rows } = await client.query(
        `select changes, user_id from crm.audit_logs
         where entity_type = 'setting' and changes ? 'default_country' order by id`,
      );
      expect(rows).toEqual([
        { changes: { default_country: { old: null, new: "FR" } }, user_id: "ann" },
        { changes: { default_country: { old: "FR", new: null } }, user_id: "ann" },
      ]);
      await asRole(client, "crm_member", "mia");
      expect(await refusal(client, "select crm.set_default_country('FR')")).toMatchObject({
        code: "42501",
      });
    }));
});
