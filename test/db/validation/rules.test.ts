import { describe, expect, test } from "@jest/globals";
import type pg from "pg";

import { withRollback } from "../../helpers/database.ts";
import { refusal } from "../../helpers/refusal.ts";

const insertContact = (columns: string, values: string): string =>
  `insert into crm.contacts (first_name, last_name, ${columns}) values ('Ada', 'Lovelace', ${values})`;

async function createCompany(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    "insert into crm.companies (name) values ('Acme') returning id",
  );
  return rows[0]?.id ?? "";
}

test("one answer lists every faulty field of a row, whoever writes it", () =>
  withRollback(async (client) => {
    await client.query(
      `insert into crm.custom_field_definitions (name, label, entity_type, field_type, required)
       values ('size', 'Size', 'contact', 'number', true)`,
    );
    const refused = await refusal(
      client,
      `insert into crm.contacts (first_name, emails, company_id, owner_id, custom_fields)
       values (e' \\t\\u00a0', '{x,ada@example.com,@}', gen_random_uuid(), '', '{"age": 1}')`,
    );
    expect(refused).toMatchObject({ code: "23514", constraint: "contacts_first_name_blank" });
    expect(refused.fields).toEqual({
      firstName: ["must not be blank"],
      lastName: ["is required"],
      "emails.0": [`"x" is not an email address`],
      "emails.2": [`"@" is not an email address`],
      companyId: [expect.stringMatching(/^"[0-9a-f-]{36}" is not the id of a company$/)],
      ownerId: ["must not be blank"],
      "customFields.age": ["is not a custom field of this entity type"],
      "customFields.size": ["is required"],
    });
  }));

test("an update is validated as an insert is", () =>
  withRollback(async (client) => {
    await createCompany(client);
    expect(
      await refusal(client, "update crm.companies set name = '', address = '{\"zip\": 1}'"),
    ).toMatchObject({
      code: "23514",
      fields: {
        name: ["must not be blank"],
        "address.zip": [expect.any(String), expect.any(String)],
      },
    });
  }));

test("a fault of an element is named by its position, a fault of the list by the list", () =>
  withRollback(async (client) => {
    const fieldsOf = async (columns: string, values: string) =>
      (await refusal(client, insertContact(columns, values))).fields;
    expect(await fieldsOf("emails, phones", `'{a@b.c,x,y}', array['1', ' ', '1', e'\\t']`)).toEqual(
      {
        "emails.1": ['"x" is not an email address'],
        "emails.2": ['"y" is not an email address'],
        "phones.1": ["must not be blank"],
        "phones.3": ["must not be blank"],
      },
    );
    expect(
      await fieldsOf("emails, phones", `'{a@b.c,null,x}', array_fill('1'::text, '{101}')`),
    ).toEqual({
      emails: ["must be a list of at most 100 addresses, none of them null"],
      "emails.2": ['"x" is not an email address'],
      phones: ["must be a list of at most 100 numbers, none of them null"],
    });
  }));

test("a fault of a task that is created with its deal is named by which task it is", () =>
  withRollback(async (client) => {
    const companyId = await createCompany(client);
    const create = (title: string, ...tasks: string[]) =>
      refusal(
        client,
        `select from crm.create_deal_with_tasks(
           jsonb_populate_record(null::crm.new_deal, $1),
           array(select task from jsonb_populate_recordset(null::crm.new_task, $2) as task)
         )`,
        [
          JSON.stringify({ title, value: 1, stage: "Won", company_id: companyId }),
          JSON.stringify(tasks.map((description) => ({ description, status: "open" }))),
        ],
      );
    expect(await create("Engine", "call", " ", "write")).toMatchObject({
      code: "23514",
      constraint: "tasks_description_blank",
      fields: { "tasks.1.description": ["must not be blank"] },
    });
    expect(await create(" ", "call")).toMatchObject({ fields: { title: ["must not be blank"] } });
    await client.query(
      `select from crm.create_deal_with_tasks(
         jsonb_populate_record(null::crm.new_deal, $1),
         array[jsonb_populate_record(null::crm.new_task, '{"description": "call"}')]
       )`,
      [JSON.stringify({ title: "Engine", company_id: companyId, value: 1, stage: "Won" })],
    );
    expect(await refusal(client, "update crm.tasks set description = ''")).toMatchObject({
      fields: { description: ["must not be blank"] },
    });
  }));

describe("contacts", () => {
  test.each([
    ["emails", `'{a@b}'`],
    ["emails", `'{a b@example.com}'`],
    ["emails", `'{.a@example.com}'`],
    ["emails", `'{a..b@example.com}'`],
    ["emails", `'{a@-example.com}'`],
    ["emails", `'{a@example..com}'`],
    ["emails", `array[e'a@example.com\\nb@example.com']`],
    ["emails", `'{""}'`],
    ["emails", `'{null}'`],
    ["emails", `'{{a@example.com},{b@example.com}}'`],
    ["emails", `array[repeat('a', 243) || '@example.com']`],
    ["emails", `array_fill('a@example.com'::text, array[101])`],
    ["phones", `'{" "}'`],
    ["phones", `'{null}'`],
    ["phones", `array[repeat('1', 256)]`],
    ["phones", `array['1', e'\\u3000']`],
    ["owner_id", `repeat('x', 256)`],
    ["custom_fields", `'[]'`],
    ["custom_fields", `'"x"'`],
    ["custom_fields", `null`],
  ])("%s %s is refused", (column, value) =>
    withRollback(async (client) => {
      const { code, column: faulty, fields } = await refusal(client, insertContact(column, value));
      expect({ code, faulty }).toEqual({ code: "23514", faulty: column });
      expect(Object.keys(fields ?? {})).toHaveLength(1);
    }),
  );

  test.each([
    ["emails", `'{a@example.com,o''brien+tag@mail.example.co.uk}'`],
    ["emails", `array[repeat('a', 242) || '@example.com']`],
    ["phones", `array['+49 (0)30 123-456 ext. 7', '１２３']`],
    ["owner_id", `repeat('é', 255)`],
    ["custom_fields", `'{"anything": null}'`],
  ])("%s %s is stored", (column, value) =>
    withRollback(async (client) => {
      await client.query(insertContact(column, value));
    }),
  );

  test("a name has at most 255 characters, counted as characters", () =>
    withRollback(async (client) => {
      await client.query(
        "insert into crm.contacts (first_name, last_name) values (repeat('𝄞', 255), 'x')",
      );
      expect(
        await refusal(client, "update crm.contacts set first_name = repeat('x', 256)"),
      ).toMatchObject({ constraint: "contacts_first_name_length", column: "first_name" });
    }));
});

describe("companies", () => {
  test("a part of the address that is null is removed", () =>
    withRollback(async (client) => {
      const { rows } = await client.query(
        `insert into crm.companies (name, address)
         values ('Acme', '{"city": null, "state": "x"}'), ('Bolt', '{"city": null}'), ('Cog', null)
         returning address`,
      );
      expect(rows).toEqual([{ address: { state: "x" } }, { address: {} }, { address: null }]);
    }));

  test.each([
    [`'[]'`, "address", "must be an object"],
    [`'[1]'`, "address", "must be an object"],
    [`'"Main Street"'`, "address", "must be an object"],
    [`'{"zip": "12345"}'`, "address.zip", "is not one of street, city, state, postalCode, country"],
    [`'{"street": 1}'`, "address.street", "must be a string"],
    [`'{"city": []}'`, "address.city", "must be a string"],
    [`'{"city": ["x"]}'`, "address.city", "must be a string"],
    [`'{"city": true}'`, "address.city", "must be a string"],
    [
      `jsonb_build_object('city', repeat('x', 256))`,
      "address.city",
      "must have at most 255 characters",
    ],
  ])("the address %s is refused, and %s is to blame", async (address, field, message) =>
    withRollback(async (client) => {
      expect(
        await refusal(client, `insert into crm.companies (name, address) values ('A', ${address})`),
      ).toMatchObject({ code: "23514", column: "address", fields: { [field]: [message] } });
    }),
  );

  test("an address may have any of the five keys, or be absent", () =>
    withRollback(async (client) => {
      await client.query(
        `insert into crm.companies (name, address) values
           ('A', null), ('B', '{}'),
           ('C', '{"street":"s","city":"c","state":"","postalCode":"1","country":"DE"}')`,
      );
    }));
});

describe("deals", () => {
  test.each([
    ["value", "1.005"],
    ["value", "'NaN'"],
    ["value", "'infinity'"],
    ["value", "10000000000000"],
    ["value", "-10000000000000"],
    ["currency", "'usd'"],
    ["currency", "'XXX'"],
    ["currency", "''"],
    ["probability", "101"],
    ["probability", "-1"],
    ["close_date", "'infinity'"],
    ["close_date", "'10000-01-01'"],
    ["close_date", "'0001-12-31 BC'"],
  ])("%s %s is refused", (column, value) =>
    withRollback(async (client) => {
      await createCompany(client);
      const columns = { value: "1", currency: "'EUR'", probability: "1", close_date: "null" };
      const row = { ...columns, [column]: value };
      expect(
        await refusal(
          client,
          `insert into crm.deals (title, company_id, stage, ${Object.keys(row).join()})
           select 'Engine', id, 'Won', ${Object.values(row).join()} from crm.companies`,
        ),
      ).toMatchObject({ code: "23514", column });
    }),
  );

  test("a value is written with two decimals", () =>
    withRollback(async (client) => {
      await createCompany(client);
      const { rows } = await client.query(
        `insert into crm.deals (title, company_id, stage, value)
         select 'Engine', companies.id, 'Won', value
         from crm.companies, unnest('{0,1.5,-9999999999999.99,2.500}'::numeric[]) as value
         returning value`,
      );
      expect(rows).toEqual(
        ["0.00", "1.50", "-9999999999999.99", "2.50"].map((value) => ({ value })),
      );
    }));

  test("a new deal without a probability is at fault for its stage alone", () =>
    withRollback(async (client) => {
      await createCompany(client);
      const insert = "insert into crm.deals (title, company_id, value, stage)";
      expect(
        await refusal(client, `${insert} select 'Engine', id, 1, 'won' from crm.companies`),
      ).toMatchObject({ code: "23503", constraint: "deals_stage_exists" });
      expect(
        (await refusal(client, `${insert} select 'Engine', id, 1, null from crm.companies`)).fields,
      ).toEqual({ stage: ["is required"] });
    }));

  test("a stage that does not exist is refused, a renamed one renames its deals", () =>
    withRollback(async (client) => {
      await createCompany(client);
      await client.query(
        `insert into crm.deals (title, company_id, stage, value)
         select 'Engine', id, 'Won', 1 from crm.companies`,
      );
      expect(await refusal(client, "update crm.deals set stage = 'won'")).toMatchObject({
        code: "23503",
        constraint: "deals_stage_exists",
      });
      expect(
        await refusal(client, "delete from crm.pipeline_stages where name = 'Won'"),
      ).toMatchObject({ code: "23503", constraint: "deals_stage_exists" });
      await client.query("update crm.pipeline_stages set name = 'Closed won' where name = 'Won'");
      const { rows } = await client.query("select stage, version from crm.deals");
      expect(rows).toEqual([{ stage: "Closed won", version: 2 }]);
    }));
});

describe("tasks and notes", () => {
  test("what they are attached to must be there, and is named as the client knows it", () =>
    withRollback(async (client) => {
      const id = await createCompany(client);
      const insert = "insert into crm.tasks (description, entity_type, entity_id) values ";
      await client.query(`${insert} ('Call', 'company', $1)`, [id]);
      expect(await refusal(client, `${insert} ('Call', 'contact', $1)`, [id])).toMatchObject({
        code: "23503",
        constraint: "tasks_contact_id_exists",
      });
      expect(await refusal(client, `${insert} ('', 'contact', $1)`, [id])).toMatchObject({
        code: "23514",
        fields: {
          description: ["must not be blank"],
          entityId: [`"${id}" is not the id of a contact`],
        },
      });
      expect(await refusal(client, `${insert} ('Call', 'invoice', $1)`, [id])).toMatchObject({
        constraint: "tasks_entity_type_known",
        fields: { entityType: [`"invoice" is not one of contact, company, deal`] },
      });
    }));

  test("a status is open or closed, texts have their sizes", () =>
    withRollback(async (client) => {
      const id = await createCompany(client);
      expect(
        await refusal(
          client,
          `insert into crm.tasks (description, status, assigned_to, due_date, entity_type, entity_id)
           values (repeat('x', 10001), 'done', '', '-infinity', 'company', $1)`,
          [id],
        ),
      ).toMatchObject({
        fields: {
          description: [expect.any(String)],
          status: [expect.any(String)],
          assignedTo: [expect.any(String)],
          dueDate: [expect.any(String)],
        },
      });
      expect(
        await refusal(
          client,
          `insert into crm.notes (content, entity_type, entity_id)
           values (repeat('x', 100001), 'company', $1)`,
          [id],
        ),
      ).toMatchObject({ constraint: "notes_content_length" });
    }));
});

describe("what the database sets", () => {
  test("cannot be forged on insert, by nobody", () =>
    withRollback(async (client) => {
      const { rows } = await client.query(
        `insert into crm.companies (name, version, created_at, updated_at, created_by, updated_by)
         values ('Acme', 7, '2001-01-01', '2001-01-01', 'mallory', 'mallory')
         returning version, created_at = now() as now, updated_at = now() as now_too, created_by,
           updated_by`,
      );
      expect(rows).toEqual([
        {
          version: 1,
          now: true,
          now_too: true,
          created_by: "db:postgres",
          updated_by: "db:postgres",
        },
      ]);
    }));

  test("cannot be forged on update, by nobody", () =>
    withRollback(async (client) => {
      await createCompany(client);
      const { rows } = await client.query(
        `update crm.companies
         set name = 'B', created_at = '2001-01-01', updated_at = '2001-01-01', created_by = 'mallory',
           updated_by = 'mallory'
         returning version, created_at = now() as now, updated_at > now() as later, created_by,
           updated_by`,
      );
      expect(rows).toEqual([
        {
          version: 2,
          now: true,
          later: true,
          created_by: "db:postgres",
          updated_by: "db:postgres",
        },
      ]);
    }));

  test("the id of a row never changes", () =>
    withRollback(async (client) => {
      await createCompany(client);
      expect(
        await refusal(client, "update crm.companies set id = gen_random_uuid()"),
      ).toMatchObject({ code: "23514", fields: { id: ["cannot be changed"] } });
    }));

  test("updated_at increases with every change within one transaction", () =>
    withRollback(async (client) => {
      await createCompany(client);
      const seen: string[] = [];
      for (const name of ["B", "C", "D"]) {
        const { rows } = await client.query<{ at: string }>(
          "update crm.companies set name = $1 returning updated_at::text as at",
          [name],
        );
        seen.push(rows[0]?.at ?? "");
      }
      expect(new Set(seen).size).toBe(3);
      expect(seen).toEqual([...seen].sort());
    }));

  test("an update that changes nothing changes nothing", () =>
    withRollback(async (client) => {
      const id = await createCompany(client);
      await client.query(
        "insert into crm.tasks (description, entity_type, entity_id) values ('a', 'company', $1)",
        [id],
      );
      for (const table of ["companies", "tasks"]) {
        const before = await client.query(`select * from crm.${table}`);
        await client.query(`update crm.${table} set version = version`);
        const after = await client.query(`select * from crm.${table}`);
        expect(after.rows).toEqual(before.rows);
      }
    }));

  test("an outdated version is refused, and what is current is said", () =>
    withRollback(async (client) => {
      await createCompany(client);
      await client.query("update crm.companies set name = 'B', version = 1");
      const refused = await refusal(client, "update crm.companies set name = 'C', version = 1");
      expect(refused).toMatchObject({ code: "CRM01", constraint: "companies_version_current" });
      expect(JSON.parse(refused.detail ?? "")).toEqual({
        version: 2,
        updatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/),
        updatedBy: "db:postgres",
      });
      await client.query("update crm.companies set name = 'C'");
    }));
});

test("TRUNCATE is refused, because the audit log would miss it", () =>
  withRollback(async (client) => {
    const { rows } = await client.query<{ partition: string }>(
      `select inhrelid::regclass::text as partition from pg_inherits
       where inhparent = 'crm.audit_logs'::regclass`,
    );
    const partitions = rows.map(({ partition }) => partition);
    for (const table of ["crm.notes", "crm.audit_logs", "crm.deals", ...partitions]) {
      expect(await refusal(client, `truncate ${table} cascade`)).toMatchObject({ code: "0A000" });
    }
  }));

test("the constraints hold where the validation is not bound", () =>
  withRollback(async (client) => {
    await client.query("alter table crm.companies disable trigger _200_validate");
    expect(await refusal(client, "insert into crm.companies (name) values (' ')")).toMatchObject({
      code: "23514",
      constraint: "companies_name_blank",
    });
  }));

test.each([
  ["(owner_id)", ["ownerId"]],
  ["(company_id, lower(first_name))", ["companyId", "firstName"]],
  ["((company_id::text))", ["companyId"]],
  ["((custom_fields ->> 'id'))", ["customFields"]],
  ["(lower(owner_id)) where first_name <> last_name", ["ownerId"]],
])("a violated unique index %s concerns the fields of its columns only", (definition, fields) =>
  withRollback(async (client) => {
    await client.query(`create unique index contacts_one on crm.contacts ${definition}`);
    const { rows } = await client.query(
      `select crm_private.fields_of_violation(
         'crm.contacts', 'crm', 'contacts_one', 'Key (…) already exists.'
       ) as fields`,
    );
    expect(rows).toEqual([
      { fields: Object.fromEntries(fields.map((field) => [field, ["has a value that is taken"]])) },
    ]);
  }),
);
