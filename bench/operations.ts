/** The operations of `requests.ts`, as documents of GraphQL, and values for their variables. */
import type pg from "pg";

export type Variables = Readonly<Record<string, unknown>>;

export const documents: Readonly<Record<string, string>> = {
  // A contact with its company, tasks and notes.
  R1: `query R1($id: ID!) {
    contact(id: $id) {
      id firstName lastName emails phones ownerId customFields
      company { id name }
      tasks { nodes { id description dueDate status } }
      notes { nodes { id content } }
    }
  }`,
  // The newest contacts, with their companies.
  R2: `query R2 {
    contacts(first: 50) { nodes { id firstName lastName emails company { id name } } }
  }`,
  // A company with its contacts, deals and open tasks.
  R3: `query R3($id: ID!) {
    company(id: $id) {
      id name ownerId customFields
      contacts { nodes { id firstName lastName emails } }
      deals { nodes { id title value currency stage closeDate } }
      tasks(filter: { status: { equalTo: open } }) { nodes { id description dueDate } }
    }
  }`,
  // The largest deals of a stage and a custom field.
  R4: `query R4($stage: String!, $region: String!) {
    deals(
      filter: { stage: { equalTo: $stage }, region: { equalTo: $region } }
      orderBy: [VALUE_DESC]
      first: 20
    ) { nodes { id title value currency closeDate } }
  }`,
  // The number and the value of deals by stage.
  R5: `query R5 {
    deals { groupedAggregates(groupBy: [STAGE]) { keys count sum { value } } }
  }`,
  // A search of all entities, by a word that is not complete.
  R6: `query R6($query: String!) {
    search(query: $query, first: 20) {
      nodes {
        entityType
        contact { id firstName lastName }
        company { id name }
        deal { id title }
      }
    }
  }`,
  // A page of a long list, at nine tenths of it.
  R7: `query R7($after: Cursor) {
    contacts(first: 50, after: $after) {
      nodes { id firstName lastName emails ownerId }
      pageInfo { hasNextPage endCursor }
    }
  }`,
  // A contact is created.
  W1: `mutation W1($input: CreateContactInput!) {
    createContact(input: $input) { contact { id firstName lastName emails company { id name } } }
  }`,
  // A deal goes to a stage.
  W2: `mutation W2($id: ID!, $stage: String!) {
    updateDeal(input: { id: $id, patch: { stage: $stage } }) { deal { id title stage probability } }
  }`,
  // A thousand contacts are created.
  W3: `mutation W3($input: CreateContactsInput!) {
    createContacts(input: $input) { created contacts { id firstName } }
  }`,
  // A company is deleted, with its deals and tasks.
  W4: `mutation W4($id: ID!) {
    deleteCompany(input: { id: $id }) { company { id name } }
  }`,
};

/** The values of the variables of the operations. */
export interface Values {
  /** Returns values for the next request. */
  readonly next: (operation: string) => Variables;
  /** Returns how many requests a turn may have. */
  readonly most: (operation: string) => number;
}

/**
 * Chooses values from the rows of a filled database.
 *
 * @param turns how often each operation is measured. A company is deleted only once.
 * @param cursor any cursor of the list of `R7`.
 */
export async function chooseValues(
  client: pg.Client,
  turns: number,
  cursor: string,
): Promise<Values> {
  const list = async (query: string): Promise<string[]> => {
    const { rows } = await client.query<{ id: string }>(query);
    return rows.map(({ id }) => id);
  };
  const ids = (table: string, most: number) =>
    list(`select id from crm.${table} order by md5(id::text) limit ${most}`);
  const contacts = await ids("contacts", 1000);

  const companies = await ids("companies", 100_000);
  const read = companies.splice(0, 200); // the others may be deleted
  const deals = await list(
    `select id from crm.deals where company_id = any ('{${read.join()}}') limit 1000`,
  );
  const stages = await list("select name as id from crm.pipeline_stages");
  const { rows: pages } = await client.query<{ created: string; id: string; total: number }>(`
    select (created_at at time zone 'UTC')::text || '+00' as created, id,
      (select count(*)::integer from crm.contacts) as total
    from crm.contacts order by created_at desc, id desc
    offset (select count(*) * 9 / 10 from crm.contacts) limit 1`);
  const [page] = pages;
  if (page === undefined) throw new Error("The database has no contacts.");
  const [listAndOrder, [order]] = JSON.parse(atob(cursor)) as [string, [string]];
  const after = btoa(JSON.stringify([listAndOrder, [order, page.created], page.id]));

  let count = 0;
  const person = () => {
    count += 1;
    return {
      firstName: `First ${count}`,
      lastName: `Last ${Math.random()}`,
      emails: [`bench${count}@example.com`],
    };
  };
  const contactsInput = { input: { contacts: Array.from({ length: 1000 }, person) } };
  // A number with two digits less than that of the contacts begins 111 of the addresses.
  const least = page.total / 1000;
  const values: Record<string, () => Variables> = {
    R1: () => ({ id: any(contacts) }),
    R3: () => ({ id: any(read) }),
    R4: () => ({ stage: any(stages), region: any(["north", "east", "south", "west"]) }),
    R6: () => ({ query: `user${Math.floor(least * (1 + Math.random() * 9))}` }),
    R7: () => ({ after }),
    W1: () => ({ input: { contact: { ...person(), companyId: any(read) } } }),
    W2: () => ({ id: any(deals), stage: any(stages) }),
    W3: () => contactsInput,
    W4: () => ({ id: companies.pop() }),
  };
  const share = Math.floor((companies.length - 10) / turns);
  return {
    next: (operation) => values[operation]?.() ?? {},
    most: (operation) => (operation === "W4" ? share : Infinity),
  };
}

function any<Item>(list: readonly Item[]): Item | undefined {
  return list[Math.floor(Math.random() * list.length)];
}
