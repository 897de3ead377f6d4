import type pg from "pg";

import { withConnection } from "../postgres/connect.ts";
import { setSession } from "../postgres/session.ts";

/** The number of rows of each kind in the demonstration data. */
export interface DemoCounts {
  readonly companies: number;
  readonly contacts: number;
  readonly deals: number;
  readonly tasks: number;
  readonly notes: number;
}

const definitions = [
  {
    name: "industry",
    label: "Industry",
    type: "enum",
    values: ["Energy", "Food", "Logistics", "Software"],
  },
  { name: "employees", label: "Employees", type: "number", values: null },
];

const companies = [
  {
    name: "Alder & Finch Bakeries",
    city: "Leeds",
    country: "GB",
    industry: "Food",
    employees: 140,
    owner: "ann",
  },
  {
    name: "Brightwater Logistics",
    city: "Rotterdam",
    country: "NL",
    industry: "Logistics",
    employees: 620,
    owner: "ben",
  },
  {
    name: "Cinder Peak Software",
    city: "Denver",
    country: "US",
    industry: "Software",
    employees: 48,
    owner: "ann",
  },
  {
    name: "Dünenwind Energie",
    city: "Husum",
    country: "DE",
    industry: "Energy",
    employees: 210,
    owner: "chloé",
  },
  {
    name: "Estrela do Sul Café",
    city: "Curitiba",
    country: "BR",
    industry: "Food",
    employees: 75,
    owner: "ben",
  },
  {
    name: "Fjordline Freight",
    city: "Bergen",
    country: "NO",
    industry: "Logistics",
    employees: 330,
    owner: "chloé",
  },
];

const contacts = [
  {
    first: "Maya",
    last: "Okafor",
    email: "maya.okafor@alderfinch.example",
    phone: "+44 113 496 0101",
    company: 0,
  },
  {
    first: "Tom",
    last: "Hargreaves",
    email: "tom@alderfinch.example",
    phone: "+44 113 496 0102",
    company: 0,
  },
  {
    first: "Sanne",
    last: "de Wit",
    email: "s.dewit@brightwater.example",
    phone: "+31 10 555 0134",
    company: 1,
  },
  {
    first: "Luis",
    last: "Ortega",
    email: "luis@cinderpeak.example",
    phone: "+1 303 555 0117",
    company: 2,
  },
  {
    first: "Priya",
    last: "Nair",
    email: "priya@cinderpeak.example",
    phone: "+1 303 555 0118",
    company: 2,
  },
  {
    first: "Jörg",
    last: "Petersen",
    email: "j.petersen@duenenwind.example",
    phone: "+49 4841 555 01",
    company: 3,
  },
  {
    first: "Helena",
    last: "Souza",
    email: "helena@estreladosul.example",
    phone: "+55 41 5555 0199",
    company: 4,
  },
  {
    first: "Ingrid",
    last: "Halvorsen",
    email: "ingrid@fjordline.example",
    phone: "+47 55 55 01 20",
    company: 5,
  },
];

// Close dates are days from today.
const deals = [
  {
    title: "Ovens for three bakeries",
    contact: 0,
    value: "86000.00",
    currency: "GBP",
    stage: "Proposal",
    probability: 50,
    days: 21,
  },
  {
    title: "Flour supply, two years",
    contact: 1,
    value: "142500.00",
    currency: "GBP",
    stage: "Won",
    probability: 100,
    days: -12,
  },
  {
    title: "Warehouse scanners",
    contact: 2,
    value: "58900.00",
    currency: "EUR",
    stage: "Negotiation",
    probability: 75,
    days: 9,
  },
  {
    title: "Licences for 48 seats",
    contact: 3,
    value: "23040.00",
    currency: "USD",
    stage: "Won",
    probability: 100,
    days: -30,
  },
  {
    title: "Support, premium",
    contact: 4,
    value: "9600.00",
    currency: "USD",
    stage: "Qualification",
    probability: 25,
    days: 45,
  },
  {
    title: "Turbine monitoring",
    contact: 5,
    value: "310000.00",
    currency: "EUR",
    stage: "Prospecting",
    probability: 10,
    days: 90,
  },
  {
    title: "Roastery control system",
    contact: 6,
    value: "41250.50",
    currency: "USD",
    stage: "Lost",
    probability: 0,
    days: -5,
  },
  {
    title: "Ferry booking platform",
    contact: 7,
    value: "187000.00",
    currency: "NOK",
    stage: "Proposal",
    probability: 50,
    days: 33,
  },
];

const tasks = [
  { description: "Send the revised offer", deal: 0, days: 2, assignee: "ann", status: "open" },
  { description: "Ask for the number of sites", deal: 2, days: 1, assignee: "ben", status: "open" },
  { description: "Invoice the first year", deal: 3, days: -20, assignee: "ann", status: "closed" },
  {
    description: "Visit the wind farm with Jörg",
    deal: 5,
    days: 14,
    assignee: "chloé",
    status: "open",
  },
  { description: "Write down why it was lost", deal: 6, days: 3, assignee: "ben", status: "open" },
];

const notes = [
  { content: "Prefers the telephone, mornings only.", contact: 0 },
  { content: "Decides together with the head of operations.", contact: 2 },
  { content: "Moves to the Oslo office in spring.", contact: 7 },
];

/**
 * Fills an empty CRM with a small, invented data set in one transaction, with the rights of an
 * administrator. A database that already contains companies is not changed.
 *
 * @param serverUrl the URL of the role `crm_server`.
 * @returns how many rows were added; undefined if there were companies already.
 */
export async function runDemo(serverUrl: string): Promise<DemoCounts | undefined> {
  return withConnection(serverUrl, async (client) => {
    await client.query("begin");
    try {
      await setSession(client, { role: "crm_admin", userId: "demo", source: "import" });
      const { rowCount } = await client.query("select from crm.companies limit 1");
      const counts = rowCount === 0 ? await insertAll(client) : undefined;
      await client.query("commit");
      return counts;
    } catch (error) {
      await client.query("rollback");
      throw error;
    }
  });
}

async function insertAll(client: pg.Client): Promise<DemoCounts> {
  for (const { name, label, type, values } of definitions) {
    await client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
       values ($1, $2, 'company', $3, $4)
       on conflict (entity_type, name) do nothing`,
      [name, label, type, values],
    );
  }

  const companyIds: string[] = [];
  for (const { name, city, country, industry, employees, owner } of companies) {
    companyIds.push(
      await insertOne(
        client,
        `insert into crm.companies (name, address, custom_fields, owner_id)
         values ($1, $2, $3, $4)
         returning id`,
        [name, { city, country }, { industry, employees }, owner],
      ),
    );
  }

  const contactIds: string[] = [];
  for (const { first, last, email, phone, company } of contacts) {
    contactIds.push(
      await insertOne(
        client,
        `insert into crm.contacts (first_name, last_name, emails, phones, company_id, owner_id)
         values ($1, $2, $3, $4, $5, $6)
         returning id`,
        [first, last, [email], [phone], companyIds[company], companies[company]?.owner],
      ),
    );
  }

  const dealIds: string[] = [];
  for (const { title, contact, value, currency, stage, probability, days } of deals) {
    const company = contacts[contact]?.company ?? 0;
    dealIds.push(
      await insertOne(
        client,
        `insert into crm.deals
           (title, company_id, contact_id, value, currency, stage, probability, close_date, owner_id)
         values ($1, $2, $3, $4, $5, $6, $7, current_date + $8::integer, $9)
         returning id`,
        [
          ...[title, companyIds[company], contactIds[contact], value, currency, stage],
          ...[probability, days, companies[company]?.owner],
        ],
      ),
    );
  }

  for (const { description, deal, days, assignee, status } of tasks) {
    await client.query(
      `insert into crm.tasks (description, due_date, assigned_to, status, entity_type, entity_id)
       values ($1, current_date + $2::integer, $3, $4, 'deal', $5)`,
      [description, days, assignee, status, dealIds[deal]],
    );
  }

  for (const { content, contact } of notes) {
    await client.query(
      `insert into crm.notes (content, entity_type, entity_id)
       values ($1, 'contact', $2)`,
      [content, contactIds[contact]],
    );
  }

  return {
    companies: companies.length,
    contacts: contacts.length,
    deals: deals.length,
    tasks: tasks.length,
    notes: notes.length,
  };
}

async function insertOne(client: pg.Client, text: string, values: unknown[]): Promise<string> {
  const { rows } = await client.query<{ id: string }>(text, values);
  return rows[0]?.id ?? "";
}
