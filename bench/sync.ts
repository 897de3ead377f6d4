/**
 * Measures the nightly sync of another system through GraphQL: 300 companies and 20,000 contacts, which refer
 * to each other and are identified by external ids alone. The second night has the same rows, of which one in
 * fifty has changed. Ratios are relative to the first night.
 */
import { milliseconds, printRatio, withBenchDatabase } from "./harness.ts";
import { type Running, withServer } from "./server.ts";

const sizes = { companies: 300, contacts: 20_000, list: 5000 };

const source = "erp";
const externalId = (id: string) => ({ source, id });
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

const companies = numbers(sizes.companies).map((i) => ({
  externalId: externalId(`company-${i}`),
  name: `Company ${i}`,
  address: { city: `City ${i % 50}`, country: "DE" },
}));

/** Returns the contacts of a night. */
function contactsOf(night: number): object[] {
  return numbers(sizes.contacts).map((i) => ({
    externalId: externalId(`contact-${i}`),
    firstName: `First ${i}`,
    lastName: i % 50 === 0 ? `Last ${i} ${night}` : `Last ${i}`,
    emails: [`user${i}@example.com`],
    phones: [`+49 30 ${100_000 + i}`],
    company: { externalId: externalId(`company-${i % sizes.companies}`) },
  }));
}

const upsertCompanies = `mutation ($input: UpsertCompaniesInput!) {
  upsertCompanies(input: $input) { created updated unchanged }
}`;
const upsertContacts = `mutation ($input: UpsertContactsInput!) {
  upsertContacts(input: $input) { created updated unchanged }
}`;

async function sync(server: Running, night: number): Promise<void> {
  await must(server.ask(upsertCompanies, { input: { companies } }));
  const contacts = contactsOf(night);
  for (let from = 0; from < contacts.length; from += sizes.list) {
    const list = contacts.slice(from, from + sizes.list);
    await must(server.ask(upsertContacts, { input: { contacts: list } }));
  }
}

async function must(answer: Promise<string>): Promise<void> {
  const code = await answer;
  if (code !== "OK") throw new Error(`The server answered ${code}.`);
}

await withBenchDatabase(async (client, url) => {
  await withServer(url, "member", async (server) => {
    const first = await milliseconds(() => sync(server, 1));
    const second = await milliseconds(() => sync(server, 2));
    const { rows } = await client.query<{ count: string }>(
      "select count(*) from crm.contacts where company_id is not null and version <= 2",
    );
    if (Number(rows[0]?.count) !== sizes.contacts) throw new Error("The sync wrote other rows.");
    printRatio(`Sync of ${sizes.companies} companies and ${sizes.contacts} contacts`, [
      { name: "the first night", milliseconds: first },
      { name: "the second night", milliseconds: second },
    ]);
  });
});
