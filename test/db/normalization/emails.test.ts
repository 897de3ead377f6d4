import { describe, expect, test } from "@jest/globals";

import { withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

const insert = "insert into crm.contacts (first_name, last_name, emails) values ('A', 'B', $1)";

test.each([
  "mail@köln.de",
  "MAIL@KÖLN.DE",
  "mail@xn--kln-sna.de",
  "почта@пример.рф",
  "用户@例子.中国",
  "jörg.müller+x@example.com",
  "δοκιμή@παράδειγμα.δοκιμή",
  "mail@bücher-laden.example",
  "a@उदाहरण.परीक्षा",
  "❤@example.com",
])("an address may have letters beyond ASCII on either side: %s", (address) =>
  withRollback(async (client) => {
    expect((await client.query(insert, [[address]])).rowCount).toBe(1);
  }),
);

test.each([
  "a b@köln.de",
  "a\u200bb@köln.de",
  "a\u00adb@köln.de",
  "\u202email@köln.de",
  "mail@k\u202eöln.de",
  "mail@kö\u200bln.de",
  "mail@köln",
  "mail@-köln.de",
  "mail@köln-.de",
  "mail@köln..de",
  "mail@kö—ln.de",
  "mail@☃.net",
  "mail＠köln.de",
  "mail@köln。de",
  "ｍail@köln.de",
  "\u3000@köln.de",
  "\u2800@köln.de",
  "\ue000@köln.de",
  "mail@köln.de ",
  "@köln.de",
])("but nothing that nobody sees, and no symbols in its domain: %j", (address) =>
  withRollback(async (client) => {
    expect(await refusal(client, insert, [[address]])).toMatchObject({
      constraint: "contacts_emails_format",
      fields: { "emails.0": [expect.stringContaining("is not an email address")] },
    });
  }),
);

test.each([
  ["mail@xn--kln-sna.de", "mail@köln.de"],
  ["XN--KLN-SNA.de", "köln.de"],
  ["www.xn--bcher-kva.xn--80akhbyknj4f", "www.bücher.испытание"],
  ["xn--fiqs8s xn--fiqz9s", "中国 中國"],
  ["xn--mgbh0fb.xn--kgbechtv", "مثال.إختبار"],
  ["xn--ls8h.la", "💩.la"],
  ["xn--egbpdaj6bu4bxfgehfvwxn.com", "ليهمابتكلموشعربي؟.com"],
  ["xn--ihqwcrb4cv8a8dqg056pqjye.tw", "他们为什么不说中文.tw"],
  ["xn--99999999.de", "xn--99999999.de"],
  ["xn--.de", "xn--.de"],
  ["xn--a.de", expect.any(String)],
  ["axn--kln-sna", expect.any(String)],
])("a label that is written in ASCII is read as what it stands for: %s is %s", (coded, expected) =>
  withRollback(async (client) => {
    const { rows } = await client.query("select crm_private.unicode_labels($1) as text", [coded]);
    expect(rows).toEqual([{ text: expected }]);
  }),
);

describe("an address and its twin in ASCII", () => {
  const [plain, coded] = ["Mail@Köln.de", "mail@xn--kln-sna.de"];

  test("are duplicates, one by one and in groups", () =>
    withRollback(async (client) => {
      for (const address of [plain, coded]) await client.query(insert, [[address]]);
      const { rows } = await client.query(
        `select duplicate.reasons, duplicate.email, duplicate.domain
         from crm.contacts as contact
         cross join lateral crm.contacts_duplicates(contact) as duplicate`,
      );
      const same = {
        reasons: ["email", "domain", "name"],
        email: "mail@köln.de",
        domain: "köln.de",
      };
      expect(rows).toEqual([same, same]);
      const groups = await client.query("select reasons from crm.duplicate_groups('contact')");
      expect(groups.rows).toEqual([{ reasons: ["email", "domain", "name"] }]);
    }));

  test("are one after a merge", () =>
    withRollback(async (client) => {
      for (const address of [plain, coded]) await client.query(insert, [[address]]);
      await client.query(`select crm.merge_contacts(
        (select id from crm.contacts where emails = array['Mail@Köln.de']),
        array(select id from crm.contacts where emails <> array['Mail@Köln.de']))`);
      const { rows } = await client.query("select emails from crm.contacts");
      expect(rows).toEqual([{ emails: [plain] }]);
    }));

  test.each([plain, coded, "köln.de", "xn--kln-sna.de", "koln", "mail@koln.de"])(
    "are both found by %s",
    (query) =>
      withRollback(async (client) => {
        for (const address of [plain, coded]) await client.query(insert, [[address]]);
        const { rowCount } = await client.query("select from crm.search($1)", [query]);
        expect(rowCount).toBe(2);
      }),
  );

  test("an address in a script without blanks is found whole", () =>
    withRollback(async (client) => {
      await client.query(insert, [["用户@例子.中国"]]);
      for (const query of ["用户@例子.中国", "例子.中国", "用户"]) {
        expect((await client.query("select from crm.search($1)", [query])).rowCount).toBe(1);
      }
    }));

  test("make two companies alike that have contacts or links there", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('website', 'Website', 'company', 'text')`,
      );
      await client.query(
        `insert into crm.companies (id, name) values ('00000000-0000-0000-0000-00000000000a', 'Eins');
         insert into crm.companies (name, custom_fields)
         values ('Zwei', '{"website": "https://www.xn--kln-sna.de/"}');
         insert into crm.contacts (first_name, last_name, emails, company_id)
         values ('A', 'B', '{mail@köln.de}', '00000000-0000-0000-0000-00000000000a')`,
      );
      const { rows } = await client.query(
        `select duplicate.domain
         from crm.companies as company
         cross join lateral crm.companies_duplicates(company) as duplicate`,
      );
      expect(rows).toEqual([{ domain: "köln.de" }, { domain: "köln.de" }]);
      const groups = await client.query("select reasons from crm.duplicate_groups('company')");
      expect(groups.rows).toEqual([{ reasons: ["domain"] }]);
    }));
});
