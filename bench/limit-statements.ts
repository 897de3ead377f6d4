/** The statements of LIMIT: one for each operation of `operations.ts`. PostgreSQL builds the text of the answer. */

export interface Variables {
  [name: string]: unknown;
  after: string;
  input: Record<string, unknown>;
}

interface Operation {
  readonly text: string;
  readonly values: (variables: Variables) => unknown[];
}

/** A position in a list: which list and order it belongs to, and the values of the last row. */
type Cursor = [list: string, [order: string, createdAt: string], id: string];

const answer = (field: string, value: string) =>
  `select json_build_object('data', json_build_object('${field}', ${value}))::text as answer`;
const row = (query: string) => `(select to_json(r) from (${query}) as r)`;
const rows = (query: string) => `(select coalesce(json_agg(r), '[]') from (${query}) as r)`;
const nodes = (query: string) => `json_build_object('nodes', ${rows(query)})`;

const company = row("select id, name from crm.companies as o where o.id = t.company_id");
const newest = "order by created_at desc, id desc";

/** The operations by name. */
export const operations: Record<string, Operation> = {
  R1: {
    text: answer(
      "contact",
      row(`
        select id, first_name as "firstName", last_name as "lastName", emails, phones,
          owner_id as "ownerId", custom_fields as "customFields", ${company} as company,
          ${nodes(`select id, description, due_date as "dueDate", status
                   from crm.tasks where contact_id = t.id ${newest} limit 20`)} as tasks,
          ${nodes(`select id, content from crm.notes where contact_id = t.id ${newest} limit 20`)} as notes
        from crm.contacts as t where id = $1`),
    ),
    values: ({ id }) => [id],
  },
  R2: {
    text: answer(
      "contacts",
      nodes(`select id, first_name as "firstName", last_name as "lastName", emails, ${company} as company
             from crm.contacts as t ${newest} limit 50`),
    ),
    values: () => [],
  },
  R3: {
    text: answer(
      "company",
      row(`
        select id, name, owner_id as "ownerId", custom_fields as "customFields",
          ${nodes(`select id, first_name as "firstName", last_name as "lastName", emails
                   from crm.contacts where company_id = t.id ${newest} limit 20`)} as contacts,
          ${nodes(`select id, title, value::text, currency, stage, close_date as "closeDate"
                   from crm.deals where company_id = t.id ${newest} limit 20`)} as deals,
          ${nodes(`select id, description, due_date as "dueDate" from crm.tasks
                   where company_id = t.id and status = 'open' ${newest} limit 20`)} as tasks
        from crm.companies as t where id = $1`),
    ),
    values: ({ id }) => [id],
  },
  R4: {
    text: answer(
      "deals",
      nodes(`select id, title, value::text, currency, close_date as "closeDate"
             from crm.deals as t where stage = $1 and custom_fields ->> 'region' = $2
             order by t.value desc, id desc limit 20`),
    ),
    values: ({ stage, region }) => [stage, region],
  },
  R5: {
    text: answer(
      "deals",
      `json_build_object('groupedAggregates', ${rows(`
        select array[stage] as keys, count, json_build_object('value', sum::text) as sum
        from (select stage, count(*) as count, sum(value) from crm.deals group by stage) as grouped
        join crm.pipeline_stages on name = stage
        order by position`)})`,
    ),
    values: () => [],
  },
  R6: {
    text: answer(
      "search",
      nodes(`
        select hit.entity_type as "entityType",
          ${row(`select id, first_name as "firstName", last_name as "lastName" from crm.contacts
                 where entity_type = 'contact' and id = entity_id`)} as contact,
          ${row("select id, name from crm.companies where entity_type = 'company' and id = entity_id")} as company,
          ${row("select id, title from crm.deals where entity_type = 'deal' and id = entity_id")} as deal
        from (
          ${[
            ["contact", 1, "contacts", "char_length(first_name || ' ' || last_name)"],
            ["company", 1, "companies", "char_length(name)"],
            ["deal", 2, "deals", "char_length(title)"],
            ["task", 3, "tasks", "null::integer"],
            ["note", 3, "notes", "null::integer"],
          ]
            .map(
              ([type, place, table, length]) => `
                select '${type}' as entity_type, ${place} as type_order, id as entity_id,
                  ${length} as name_length, created_at,
                  (search_document @@ $1::tsquery)::integer / 8.0
                    + ts_rank('{.1,.2,.4,1}', search_document, $2) / 8.0 as rank
                from crm.${table} where search_document @@ $2::tsquery`,
            )
            .join("\nunion all\n")}
          order by rank desc, name_length nulls last, type_order, created_at desc, entity_id
          limit 20
        ) as hit`),
    ),
    values: ({ query }) => [`'${String(query)}'`, `'${String(query)}':*`],
  },
  R7: {
    text: `with page as materialized (
        select *, row_number() over () as n from (
          select id, first_name, last_name, emails, owner_id, created_at from crm.contacts
          where (created_at, id) < ($3::timestamptz, $4::uuid) ${newest} limit 51) as t)
      ${answer(
        "contacts",
        `json_build_object(
          'nodes', ${rows(`select id, first_name as "firstName", last_name as "lastName", emails,
            owner_id as "ownerId" from page where n <= 50 order by n`)},
          'pageInfo', (
            select json_build_object('hasNextPage', (select count(*) > 50 from page), 'endCursor',
              translate(encode(convert_to(
                format('["%s",["%s","%s"],"%s"]', $1::text, $2::text, created_at, id), 'utf8'
              ), 'base64'), e'\\n', ''))
            from page where n <= 50 order by n desc limit 1))`,
      )}`,
    values({ after }) {
      const [list, [order, createdAt], id] = JSON.parse(atob(after)) as Cursor;
      return [list, order, createdAt, id];
    },
  },
  W1: {
    text: `with t as (
        insert into crm.contacts (first_name, last_name, emails, company_id)
        select * from json_to_record($1) as c ("firstName" text, "lastName" text, emails text[], "companyId" uuid)
        returning *)
      ${answer(
        "createContact",
        `json_build_object('contact', ${row(`
          select id, first_name as "firstName", last_name as "lastName", emails, ${company} as company from t`)})`,
      )}`,
    values: ({ input }) => [JSON.stringify(input.contact)],
  },
  W2: {
    text: `with t as (update crm.deals set stage = $2 where id = $1 returning *)
      ${answer("updateDeal", `json_build_object('deal', ${row("select id, title, stage, probability from t")})`)}`,
    values: ({ id, stage }) => [id, stage],
  },
  W3: {
    text: `with t as (
        insert into crm.contacts (first_name, last_name, emails)
        select * from json_to_recordset($1) as c ("firstName" text, "lastName" text, emails text[])
        returning *)
      ${answer(
        "createContacts",
        `json_build_object('created', (select count(*) from t),
          'contacts', ${rows(`select id, first_name as "firstName" from t`)})`,
      )}`,
    values: ({ input }) => [JSON.stringify(input.contacts)],
  },
  W4: {
    text: `with t as (delete from crm.companies where id = $1 returning *)
      ${answer("deleteCompany", `json_build_object('company', ${row("select id, name from t")})`)}`,
    values: ({ id }) => [id],
  },
};
