import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type pg from "pg";

import { asRole, withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

interface Contact {
  first?: string;
  last?: string;
  emails?: string[];
  phones?: string[];
  company?: string | null;
}

async function addContact(
  client: pg.Client,
  { first = "Ada", last = "Lovelace", emails = [], phones = [], company = null }: Contact,
): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `insert into crm.contacts (first_name, last_name, emails, phones, company_id)
     values ($1, $2, $3, $4, $5) returning id`,
    [first, last, emails, phones, company],
  );
  return rows[0]?.id ?? "";
}

async function addCompany(client: pg.Client, name: string, fields = {}): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    "insert into crm.companies (name, custom_fields) values ($1, $2) returning id",
    [name, fields],
  );
  return rows[0]?.id ?? "";
}

interface Found {
  entity_id: string;
  score: number;
  reasons: string[];
  email: string | null;
  phone: string | null;
  domain: string | null;
  name_similarity: number;
}

async function find(client: pg.Client, entityType: string, id: string): Promise<Found[]> {
  const { rows } = await client.query<Found>("select * from crm.find_duplicates($1, $2)", [
    entityType,
    id,
  ]);
  return rows;
}

interface Group {
  size: number;
  score: number;
  reasons: string[];
  ids: string[];
}

async function groups(client: pg.Client, entityType: string, score?: number): Promise<Group[]> {
  const { rows } = await client.query<Group>("select * from crm.duplicate_groups($1, $2)", [
    entityType,
    score,
  ]);
  return rows;
}

/** Whether two contacts are candidates for each other, with what they have in common. */
async function common(one: Contact, other: Contact): Promise<Partial<Found> | undefined> {
  return withRollback(async (client) => {
    const id = await addContact(client, one);
    const otherId = await addContact(client, other);
    const [found] = await find(client, "contact", id);
    const [back] = await find(client, "contact", otherId);
    expect(back?.score).toBe(found?.score);
    expect(back?.reasons).toEqual(found?.reasons);
    return found;
  });
}

describe("contacts are candidates", () => {
  const strangers: Contact = { first: "Bob", last: "Quill" };

  test("by an email address, whatever its case", async () => {
    expect(
      await common({ emails: ["Ada@X.org"] }, { ...strangers, emails: ["b@x.org", "aDA@x.ORG"] }),
    ).toMatchObject({ score: 0.92, reasons: ["email", "domain"], email: "ada@x.org" });
  });

  test("not by an address that differs by a dot or a plus sign, which is the provider's affair", async () => {
    expect(
      await common(
        { emails: ["ada.l@gmail.com"] },
        { ...strangers, emails: ["adal@gmail.com", "ada.l+crm@gmail.com"] },
      ),
    ).toBeUndefined();
  });

  test.each([
    ["+49 30 1234567", "030 1234567"],
    ["0049 (0) 30/1234567", "+49 30 1234567"],
    ["+1 (212) 555-0100", "212.555.0100"],
    ["+7 912 345-67-89", "8 (912) 3456789"],
    ["030 1234567", "1234567"],
  ])("by a phone number, as %s is %s", async (phone, other) => {
    expect(await common({ phones: [phone] }, { ...strangers, phones: ["0", other] })).toMatchObject(
      { score: 0.5, reasons: ["phone"], phone },
    );
  });

  test.each([
    ["+1 212 555 0100", "+1 312 555 0100"],
    ["+49 30 1234567", "+49 89 1234567"],
    ["110", "110"],
    ["call the office", "call the office"],
  ])("not by a phone number, as %s and %s", async (phone, other) => {
    expect(await common({ phones: [phone] }, { ...strangers, phones: [other] })).toBeUndefined();
  });

  test.each([
    [["Zoë", "Müller"], ["Zoe", "Muller"], 1],
    [["Ada", "Lovelace"], ["Lovelace", "Ada"], 1],
    [["Jon", "Smith"], ["John", "Smyth"], 0.8],
    [["Ada", "Lovelace"], ["Adah", "Lovelance"], 0.556],
    [["Anna", "O'Neill"], ["Anna", "ONeill"], 1],
    [["Ада", "Лавлейс"], ["ада", "лавлейс"], 1],
  ])("by name, as %j and %j", async ([first, last], [otherFirst, otherLast], similarity) => {
    expect(
      await common(
        { first: first ?? "", last: last ?? "" },
        { first: otherFirst ?? "", last: otherLast ?? "" },
      ),
    ).toMatchObject({ reasons: ["name"], name_similarity: similarity });
  });

  test("with more certainty by a domain of both, but not by that alone, nor by one that everybody has", async () => {
    const domain = { emails: ["a@acme.com"] };
    expect(await common(domain, { ...strangers, emails: ["b@ACME.com"] })).toBeUndefined();
    expect(await common(domain, { emails: ["b@ACME.com"] })).toMatchObject({
      score: 0.68,
      reasons: ["domain", "name"],
      domain: "acme.com",
    });
    expect(await common({ emails: ["a@gmail.com"] }, { emails: ["b@gmail.com"] })).toMatchObject({
      score: 0.6,
      reasons: ["name"],
      domain: null,
    });
  });
});

test("candidates come with the likeliest first, and none below the least score", () =>
  withRollback(async (client) => {
    const id = await addContact(client, { emails: ["ada@x.org"], phones: ["1234567"] });
    const phone = await addContact(client, { first: "Bob", last: "Q", phones: ["1234567"] });
    const email = await addContact(client, { emails: ["ada@x.org"] });
    const name = await addContact(client, {});
    await addContact(client, { first: "Grace", last: "Hopper" });
    expect((await find(client, "contact", id)).map((found) => found.entity_id)).toEqual([
      email,
      name,
      phone,
    ]);
    const { rows } = await client.query(
      "select entity_id from crm.find_duplicates('contact', $1, 0.9)",
      [id],
    );
    expect(rows).toEqual([{ entity_id: email }]);
  }));

describe("companies are candidates", () => {
  test.each([
    ["Acme Robotics GmbH & Co. KG", "ACME ROBOTICS Inc.", 1],
    ["Société Générale S.A.", "Societe Generale", 1],
    ["Acme Robotics", "Acme Robotic", 0.8],
    ["AG", "A.G.", 1],
  ])("by a name without its legal form, as %s and %s", (name, other, similarity) =>
    withRollback(async (client) => {
      const id = await addCompany(client, name);
      const otherId = await addCompany(client, other);
      expect(await find(client, "company", id)).toMatchObject([
        { entity_id: otherId, reasons: ["name"], name_similarity: similarity },
      ]);
    }),
  );

  test("by a domain of their contacts' addresses or their custom fields, wherever it stands", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('website', 'Website', 'company', 'text')`,
      );
      const byContact = await addCompany(client, "Blue");
      await addContact(client, { emails: ["a@gmail.com", "a@ACME.com"], company: byContact });
      const byOther = await addCompany(client, "Red");
      await addContact(client, { emails: ["b@acme.com"], company: byOther });
      const byField = await addCompany(client, "Green", {
        website: "https://www.Acme.com/about?a=b",
      });
      await addCompany(client, "Grey", { website: "https://linkedin.com/company/grey" });
      await addCompany(client, "Black", { website: "we have none, see acme.com." });
      const mailer = await addCompany(client, "White");
      await addContact(client, { emails: ["c@gmail.com"], company: mailer });

      for (const id of [byContact, byOther, byField]) {
        const found = await find(client, "company", id);
        expect(new Set(found.map((row) => row.entity_id))).toEqual(
          new Set([byContact, byOther, byField].filter((other) => other !== id)),
        );
        for (const row of found) {
          expect(row).toMatchObject({ score: 0.6, reasons: ["domain"], domain: "acme.com" });
        }
      }
      expect(await find(client, "company", mailer)).toEqual([]);
      expect(await groups(client, "company")).toMatchObject([
        { size: 3, score: 0.6, reasons: ["domain"] },
      ]);
    }));
});

describe("asked about what has no duplicates", () => {
  test.each(["deal", "", null])("as the entity type %j, it is refused", (entityType) =>
    withRollback(async (client) => {
      const faults = {
        code: "23514",
        constraint: "duplicate_entity_type_known",
        fields: { entityType: ["must be contact or company"] },
      };
      expect(
        await refusal(client, "select crm.find_duplicates($1, gen_random_uuid())", [entityType]),
      ).toMatchObject(faults);
      expect(await refusal(client, "select crm.duplicate_groups($1)", [entityType])).toMatchObject(
        faults,
      );
    }),
  );

  test("as a row that is not there, it says so", () =>
    withRollback(async (client) => {
      const id = "00000000-0000-4000-8000-000000000000";
      for (const entityType of ["contact", "company"]) {
        expect(
          await refusal(client, "select crm.find_duplicates($1, $2)", [entityType, id]),
        ).toMatchObject({ code: "P0002", fields: { entityType, ids: [id] } });
      }
    }));
});

describe("groups", () => {
  test("hold what hangs together by a chain of pairs, the likeliest first", () =>
    withRollback(async (client) => {
      const chain = [
        await addContact(client, { emails: ["a@x.org"] }),
        await addContact(client, { first: "B", last: "Q", emails: ["A@x.org", "b@x.org"] }),
        await addContact(client, { first: "C", last: "Z", emails: ["b@x.org"] }),
      ];
      const named = [
        await addContact(client, { first: "Grace", last: "Hopper" }),
        await addContact(client, { first: "Hopper", last: "Gracé" }),
      ];
      await addContact(client, { first: "Charles", last: "Babbage" });
      const found = await groups(client, "contact");
      expect(found).toMatchObject([
        { size: 3, score: 0.92, reasons: ["email", "domain"] },
        { size: 2, score: 0.6, reasons: ["name"] },
      ]);
      expect(found.map(({ ids }) => [...ids].sort())).toEqual([[...chain].sort(), named.sort()]);
      expect(await groups(client, "contact", 0.9)).toHaveLength(1);
    }));

  test("hold any number of copies, of which the first 1,000 are named", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.contacts (first_name, last_name, phones)
         select 'Ada', 'Lovelace', '{+49 30 1234567}' from generate_series(1, 1500)`,
      );
      const [group, ...others] = await groups(client, "contact");
      expect(group).toMatchObject({ size: 1500, score: 0.8, reasons: ["phone", "name"] });
      expect(group?.ids).toHaveLength(1000);
      expect(others).toEqual([]);
    }));

  test("count a domain that at most a thousand contacts have", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.contacts (first_name, last_name, emails)
         select md5('a' || n), md5('b' || n), array[n || '@big.org']
         from generate_series(1, 998) as n`,
      );
      await addContact(client, { first: "Margaret", last: "Hamilton", emails: ["m@big.org"] });
      await addContact(client, { first: "Margaret", last: "Hamiltons", emails: ["h@big.org"] });
      expect(await groups(client, "contact", 0.6)).toMatchObject([{ reasons: ["domain", "name"] }]);
      await addContact(client, { emails: ["last@big.org"] });
      expect(await groups(client, "contact", 0.6)).toEqual([]);
    }));

  /*
   * The law: two contacts whose names differ by two errors, or by one and their order, are a group if
   * find_duplicates gives them a score of 0.5 or more, with the same reasons; unless nothing but their
   * names speaks for them, and these have not even their skeletons in common.
   */
  test("hold whom find_duplicates finds", async () => {
    const word = fc.string({
      unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz".split("")),
      minLength: 2,
      maxLength: 14,
    });
    const error = fc.record({
      at: fc.nat(30),
      length: fc.nat(1),
      letters: fc.string({ unit: fc.constantFrom(..."aensz".split("")), maxLength: 2 }),
    });
    const pair = fc.record({
      name: fc.tuple(word, word),
      errors: fc.array(error, { maxLength: 2 }),
      isSwapped: fc.boolean(),
      emails: fc.constantFrom<[string[], string[]]>(
        [[], []],
        [["a@acme.com"], ["b@acme.com"]],
        [["a@gmail.com"], ["b@gmail.com"]],
        [
          ["a@x.org", "a@acme.com"],
          ["a@y.org", "b@Acme.com"],
        ],
      ),
      phones: fc.constantFrom<[string[], string[]]>(
        [[], []],
        [["110", "+49 30 1234567"], ["030 1234567"]],
        [
          ["+49 30 1234567", "110"],
          ["+49 89 1234567", "110"],
        ],
      ),
    });
    await withRollback((client) =>
      fc.assert(
        fc.asyncProperty(pair, async ({ name, errors, isSwapped, emails, phones }) => {
          let other = name.join(" ");
          for (const { at, length, letters } of errors.slice(isSwapped ? 1 : 0)) {
            other = other.slice(0, at) + letters + other.slice(at + length);
          }
          const [first = "", ...rest] = other.trim().split(/ +/);
          const last = rest.join(" ") || first;
          await client.query("savepoint pair");
          const id = await addContact(client, {
            first: name[0],
            last: name[1],
            emails: emails[0],
            phones: phones[0],
          });
          await addContact(client, {
            first: isSwapped ? last : first || "x",
            last: (isSwapped ? first : last) || "x",
            emails: emails[1],
            phones: phones[1],
          });
          const found = (await find(client, "contact", id)).filter(({ score }) => score >= 0.5);
          const grouped = await groups(client, "contact");
          await client.query("rollback to savepoint pair");
          const known = found.map(({ score, reasons }) => ({ size: 2, score, reasons }));
          const isByNameAlone = found.every(({ reasons }) => reasons.join() === "name");
          if (grouped.length > 0 || !isByNameAlone) expect(grouped).toMatchObject(known);
        }),
        { numRuns: 200 },
      ),
    );
  });

  test("of nothing are none", () =>
    withRollback(async (client) => {
      expect(await groups(client, "contact")).toEqual([]);
      expect(await groups(client, "company")).toEqual([]);
    }));

  /*
   * The law: of any graph, two nodes have one label if and only if a path leads from one to the
   * other, and the label is the least node that one leads to.
   */
  test("are the components of the graph of pairs", async () => {
    const graph = fc.integer({ min: 1, max: 30 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        edges: fc.array(
          fc.tuple(fc.integer({ min: 1, max: count }), fc.integer({ min: 1, max: count })),
          { maxLength: 40 },
        ),
      }),
    );
    await withRollback((client) =>
      fc.assert(
        fc.asyncProperty(graph, async ({ count, edges }) => {
          const expected = Array.from({ length: count }, (_, index) => index + 1);
          for (let isDone = false; !isDone;) {
            isDone = true;
            for (const [one, other] of edges) {
              const least = Math.min(expected[one - 1] ?? 0, expected[other - 1] ?? 0);
              for (const node of [one, other]) {
                if (expected[node - 1] !== least) isDone = false;
                expected[node - 1] = least;
              }
            }
          }
          const { rows } = await client.query<{ components: number[] }>(
            "select crm_private.components($1, $2, $3)",
            [count, edges.map(([one]) => one), edges.map(([, other]) => other)],
          );
          expect(rows[0]?.components).toEqual(expected);
        }),
        { numRuns: 200 },
      ),
    );
  });
});

test("readers find duplicates, roles without rights do not", () =>
  withRollback(async (client) => {
    const id = await addContact(client, { emails: ["ada@x.org"] });
    await addContact(client, { emails: ["ada@x.org"] });
    const company = await addCompany(client, "Acme Robotics");
    await addCompany(client, "Acme Robotics Ltd");
    await asRole(client, "crm_reader", "ada");
    expect(await find(client, "contact", id)).toHaveLength(1);
    expect(await find(client, "company", company)).toHaveLength(1);
    expect(await groups(client, "contact")).toHaveLength(1);
    expect(await groups(client, "company")).toHaveLength(1);
    await client.query("reset role");
    for (const role of ["crm_server", "crm_reporter"] as const) {
      await asRole(client, role, "ada");
      expect(
        await refusal(client, "select crm.find_duplicates('contact', $1)", [id]),
      ).toMatchObject({ code: "42501" });
      await client.query("reset role");
    }
  }));

test("candidates are found through the indexes of match keys, for readers too", () =>
  withRollback(async (client) => {
    await client.query("set local enable_seqscan = off");
    const contact = await addContact(client, { emails: ["ada@x.org"] });
    const company = await addCompany(client, "Acme");
    await addCompany(client, "Acme Inc.");
    await addContact(client, { emails: ["ada@acme.com"], company });
    await asRole(client, "crm_reader", "ada");
    const scans = async (): Promise<Record<string, number>> => {
      const { rows } = await client.query<{ name: string; scans: number }>(
        `select indexrelname as name,
           (pg_stat_get_xact_numscans(indexrelid))::integer as scans
         from pg_stat_user_indexes where indexrelname ~ '_match_keys$'`,
      );
      return Object.fromEntries(rows.map(({ name, scans: count }) => [name, count]));
    };
    // One for each key: name, head, tail and the address; of a company name, head, tail and the domain,
    // which is looked for among contacts, too.
    await find(client, "contact", contact);
    expect(await scans()).toMatchObject({ contacts_match_keys: 4 });
    await find(client, "company", company);
    expect(await scans()).toMatchObject({ contacts_match_keys: 5, companies_match_keys: 4 });
  }));

test.each([
  ["Smith & Sons Ltd", "Smith and Sons"],
  ["Marks ＆ Spencer", "Marks and Spencer"],
  ["Acme Robotics GmbH & Co. KG", "Acme Robotics GmbH and Co. KG"],
])('"and" and "&" are one: %s and %s have the same name', (one, other) =>
  withRollback(async (client) => {
    await client.query("insert into crm.companies (name) values ($1), ($2)", [one, other]);
    const { rows } = await client.query(
      `select duplicate.name_similarity
       from crm.companies as company
       cross join lateral crm.companies_duplicates(company) as duplicate`,
    );
    expect(rows).toEqual([{ name_similarity: 1 }, { name_similarity: 1 }]);
  }),
);

test("no more than 1,000 are looked at for each key", () =>
  withRollback(async (client) => {
    const contact = await addContact(client, { emails: ["ada@x.org"] });
    await client.query(
      `insert into crm.contacts (first_name, last_name, emails)
       select 'Bob', 'Babbage', '{ada@x.org}' from generate_series(1, 1200)`,
    );
    expect(await find(client, "contact", contact)).toHaveLength(1000);
  }));

describe("any name, address or number can be stored, whatever the index makes of it", () => {
  test.each([
    ["long", "ﷺ".repeat(255), "ﷺ".repeat(255)],
    ["only vowels", "Aoi", "Io"],
    ["only punctuation", "-", "?!"],
    ["not Latin", "王", "伟"],
  ])("%s", (_, first, last) =>
    withRollback(async (client) => {
      const contact: Contact = {
        first,
        last,
        emails: [`${"a".repeat(242)}@example.com`],
        phones: ["|", "1|2345678901", "9".repeat(255), "☎ ٠١٢٣٤٥٦٧٨"],
      };
      const id = await addContact(client, contact);
      const other = await addContact(client, contact);
      expect(await find(client, "contact", id)).toMatchObject([{ entity_id: other }]);
      expect(await groups(client, "contact")).toMatchObject([{ size: 2 }]);
      const name = `${first}${last}`.slice(0, 255);
      const company = await addCompany(client, name);
      await addCompany(client, name);
      expect(await find(client, "company", company)).toHaveLength(/\p{L}/u.test(name) ? 1 : 0);
    }),
  );

  test("a custom field that looks like a very long domain", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('website', 'Website', 'company', 'text')`,
      );
      await addCompany(client, "Acme", { website: `${"a.".repeat(4990)}com` });
    }));
});
