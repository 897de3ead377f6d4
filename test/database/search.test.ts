import { expect, test } from "@jest/globals";
import type pg from "pg";

import { withConnection } from "../../server/connect.ts";
import { asRole, createTestDatabase, withRollback } from "../helpers/database.ts";
import { refusal } from "../helpers/refusal.ts";

/** A small CRM, in which each thing can be found by words of its own. */
async function fill(client: pg.Client): Promise<void> {
  await client.query(`
    insert into crm.custom_field_definitions (name, label, entity_type, field_type)
    values ('motto', 'Motto', 'contact', 'text'), ('motto', 'Motto', 'company', 'text'),
      ('motto', 'Motto', 'deal', 'text');
    insert into crm.companies (id, name, address, custom_fields) values
      ('00000000-0000-0000-0000-00000000000a', 'Müller & Söhne GmbH',
        '{"city": "São Paulo", "street": "Paradise Road 7"}', '{"motto": "steady"}'),
      ('00000000-0000-0000-0000-00000000000b', 'Krankenversicherung AG', null, '{}');
    insert into crm.contacts (id, first_name, last_name, emails, phones, custom_fields) values
      ('00000000-0000-0000-0000-000000000001', 'John', 'Smith',
        '{john.smith@mail.example.co.uk,js@home.net}', '{+49 (30) 1234-567,110}', '{}'),
      ('00000000-0000-0000-0000-000000000002', 'Zoë', 'O''Brien', '{}', '{}', '{"motto": "onward"}'),
      ('00000000-0000-0000-0000-000000000003', 'Ada', 'Lovelace', '{}', '{}', '{}');
    insert into crm.deals (title, company_id, value, stage, custom_fields) values
      ('Difference engine', '00000000-0000-0000-0000-00000000000a', 1, 'Won', '{"motto": "brass"}');
    insert into crm.tasks (description, entity_type, entity_id) values
      ('Send the punched cards', 'contact', '00000000-0000-0000-0000-000000000003');
    insert into crm.notes (content, entity_type, entity_id) values
      ('Smith, smith, smith: John Smith and John Smith; wants <b>looms</b> & yarn', 'company',
        '00000000-0000-0000-0000-00000000000a');
  `);
}

interface Hit {
  entity_type: string;
  entity_id: string;
  rank: number;
  extract: string;
}

async function search(client: pg.Client, query: string, ...rest: unknown[]): Promise<Hit[]> {
  const more = rest.map((_, index) => `, $${index + 2}`).join("");
  const { rows } = await client.query<Hit>(`select * from crm.search($1${more})`, [query, ...rest]);
  return rows;
}

/** What is found, by the texts that the extracts are of. */
async function found(client: pg.Client, query: string): Promise<string[]> {
  const hits = await search(client, query);
  return hits.map(({ extract }) => extract.replace(/<\/?mark>/g, "").replace(/ · .*/, ""));
}

const john = "John Smith";
const zoe = "Zoë O&#39;Brien";
const ada = "Ada Lovelace";
const company = "Müller &amp; Söhne GmbH";
const insurance = "Krankenversicherung AG";
const deal = "Difference engine";
const task = "Send the punched cards";
const note =
  "Smith, smith, smith: John Smith and John Smith; wants &lt;b&gt;looms&lt;/b&gt; &amp; yarn";

test.each([
  ["every kind of thing by its words", "engine", [deal]],
  ["a task by its description", "punched", [task]],
  ["a note by its content", "looms", [note]],
  ["a company by its address", "paradise", [company]],
  ["custom text fields of contacts", "onward", [zoe]],
  ["custom text fields of companies", "steady", [company]],
  ["custom text fields of deals", "brass", [deal]],
  ["a name before a note's body, however often that has the words", "john smith", [john, note]],
  ["all words in one row", "ada smith", []],
  ["words in sequence", '"john smith"', [john, note]],
  ["no words in another sequence", '"smith ada"', []],
  ["no row with a word that is not wanted", "smith -looms", [john]],
  ["no row with a sequence that is not wanted", '"john smith" -"and john"', [john]],
  ["one of several alternatives", "lovelace or steady", [ada, company]],
  ["nothing where only something is not wanted", "-smith", []],
  ["no alternative that is only not wanted", "lovelace or -smith", [ada]],
  ["the last word before it is complete", "ada lov", [ada]],
  ["names by words that are all begun, where nothing has them whole", "lov ada", [ada]],
  ["a name by one letter", "l", [ada]],
  ["a second name by one letter", "ada l", [ada]],
  ["a name by two letters", "zo", [zoe]],
  ["without regard to case and accents", "MULLER sohne", [company]],
  ["an accent that was typed too much", "ádà", [ada]],
  ["a name with an apostrophe", "o'brien", [zoe]],
  ["a name without its apostrophe", "obrien", [zoe]],
  ["an address whole", "john.smith@mail.example.co.uk", [john]],
  ["an address while it is typed", "john.smith@mail.exa", [john]],
  ["a domain", "mail.example.co.uk", [john]],
  ["a part of a domain", "example", [john]],
  ["a second address", "home.net", [john]],
  ["a phone number as it stands", "+49 (30) 1234-567", [john]],
  ["a phone number by its digits", "49301234567", [john]],
  ["a phone number as it is dialled at home", "030 1234567", [john]],
  ["a phone number as it is dialled abroad", "0049 30 1234567", [john]],
  ["the last digits of a phone number", "4567", [john]],
  ["a short phone number", "110", [john]],
  ["digits beside a word", "smith 1234567", [john]],
  ["letters that changed places", "Jonh Smiht", [john]],
  ["a letter too few", "lovlace", [ada]],
  ["a letter too many", "lovellace", [ada]],
  ["a wrong letter", "lovelase", [ada]],
  ["a typing error beside a word that has none", "ada lovelase", [ada]],
  ["words that were written together", "johnsmith", [john]],
  ["a part of a word", "versicherung", [insurance]],
  ["nothing in a blank query", " \t\n", []],
  ["nothing in operators", '" & | ! () <-> :* -', []],
])("search finds %s: %s", (_, query, expected) =>
  withRollback(async (client) => {
    await fill(client);
    expect(await found(client, query)).toEqual(expected);
  }),
);
