/** The reads that the documents show, for the data of `crm.ts`. */

/** Ids of rows that exist. */
export interface Ids {
  readonly contact: string;
  readonly company: string;
  readonly deal: string;
}

const page = "pageInfo { hasNextPage endCursor }";
const contact = "nodes { id firstName lastName emails }";
const company = "nodes { id name }";
const deal = "nodes { id title value stage closeDate }";
const task = "nodes { id description dueDate status }";
const note = "nodes { id content }";
const entry = "nodes { entryId action userId timestamp changes }";

/** Returns queries by name, as the selection of `Query`. */
export function queriesOf({ contact: contactId, company: companyId, deal: dealId }: Ids) {
  const list = (field: string, args: string, nodes: string) =>
    `${field}(first: 50${args === "" ? "" : `, ${args}`}) { ${nodes} ${page} }`;
  const contacts = (args: string) => list("contacts", args, contact);
  const companies = (args: string) => list("companies", args, company);
  const deals = (args: string) => list("deals", args, deal);
  const tasks = (args: string) => list("tasks", args, task);
  const auditLogs = (args: string) => list("auditLogs", args, entry);
  const search = (query: string, more = "") =>
    `search(query: "${query}", first: 20${more}) { nodes { entityType entityId rank extract } }`;

  const queries: Record<string, string> = {
    "contacts, the newest": contacts(""),
    "contacts, with their companies": list(
      "contacts",
      "",
      "nodes { id firstName lastName company { id name } }",
    ),
    "contacts, their number": "contacts { totalCount }",
    "contacts by name": contacts("orderBy: [LAST_NAME_ASC, FIRST_NAME_ASC]"),
    "contacts by last change": contacts("orderBy: UPDATED_AT_DESC"),
    "contacts by company": contacts("orderBy: COMPANY_NAME_ASC"),
    "contacts by number of tasks": contacts("orderBy: TASKS_COUNT_DESC"),
    "contacts, a page by offset": contacts("offset: 100000"),
    "contacts of an owner": contacts('filter: { ownerId: { equalTo: "user7" } }'),
    "contacts of an owner, by name": contacts(
      'filter: { ownerId: { equalTo: "user7" } }, orderBy: LAST_NAME_ASC',
    ),
    "contacts with an address": contacts(
      'filter: { emails: { contains: ["user77@example.com"] } }',
    ),
    "contacts with an address that does not exist": contacts(
      'filter: { emails: { contains: ["ada@example.com"] } }',
    ),
    "contacts by last name": contacts('filter: { lastName: { equalTo: "Lovelace" } }'),
    "contacts by the beginning of a name": contacts(
      'filter: { lastName: { startsWith: "Last 8c3f" } }',
    ),
    "contacts by a part of a name": contacts(
      'filter: { lastName: { includesInsensitive: "8c3f6" } }',
    ),
    "contacts changed since": contacts(
      'filter: { updatedAt: { greaterThan: "2030-01-01T00:00:00Z" } }',
    ),
    "contacts created since": contacts(
      'filter: { createdAt: { greaterThan: "2030-01-01T00:00:00Z" } }',
    ),
    "contacts of companies by name": contacts(
      'filter: { company: { name: { startsWith: "Company 8c3f" } } }',
    ),
    "contacts with a task that is due": contacts(
      'filter: { tasks: { some: { dueDate: { lessThan: "2026-01-02" } } } }',
    ),
    "contacts without a company": contacts("filter: { companyExists: false }"),
    "contacts by a custom field": contacts('filter: { employees: { equalTo: "77777" } }'),
    "contacts by a range of a custom field": contacts(
      'filter: { employees: { lessThan: "50" } }, orderBy: EMPLOYEES_DESC',
    ),
    "contacts by custom fields as JSON": contacts(
      "filter: { customFields: { contains: { employees: 77777 } } }",
    ),
    "contacts by external id": contacts(
      'filter: { externalIds: { anyEqualTo: { source: "hubspot", id: "101" } } }',
    ),
    "contacts, searched": contacts('search: "user7777"'),
    "contacts, searched, of an owner": contacts(
      'search: "user777", filter: { ownerId: { equalTo: "user27" } }, orderBy: LAST_NAME_ASC',
    ),
    "contacts by owner": "contacts { groupedAggregates(groupBy: [OWNER_ID]) { keys count } }",
    "contacts by month":
      "contacts { groupedAggregates(groupBy: [CREATED_AT_TRUNCATED_TO_MONTH]) { keys count } }",
    "contacts, different names": "contacts { aggregates { distinctCount { lastName } } }",
    "a contact with everything": `contact(id: "${contactId}") {
      id firstName lastName emails phones customFields company { id name deals { totalCount } }
      tasks { ${task} } notes { ${note} } deals { ${deal} } history { ${entry} }
    }`,
    "a contact's duplicates": `contact(id: "${contactId}") {
      duplicates { nodes { score reasons contact { id lastName } } }
    }`,
    "a contact's field": `contact(id: "${contactId}") {
      fieldHistory(field: "lastName") { nodes { value setBy } }
    }`,
    "a contact of the past": `contactAsOf(id: "${contactId}", at: "2100-01-01T00:00:00Z") { firstName }`,

    "companies, the newest": companies(""),
    "companies by name": companies("orderBy: NAME_ASC"),
    "companies, with contacts and open deals": `companies(orderBy: NAME_ASC, first: 20) {
      nodes {
        id name contacts(first: 5) { nodes { firstName lastName } }
        deals(filter: { pipelineStage: { kind: { equalTo: open } } }) { totalCount }
      }
      ${page}
    }`,
    "companies by value of deals": companies("orderBy: DEALS_SUM_VALUE_DESC"),
    "companies of an owner": companies('filter: { ownerId: { equalTo: "user7" } }'),
    "companies by the beginning of a name": companies(
      'filter: { name: { startsWith: "Company 8c3f" } }',
    ),
    "companies by a part of a name": companies(
      'filter: { name: { includesInsensitive: "8c3f6" } }',
    ),
    "companies of a city": companies('filter: { address: { city: { equalTo: "City 7" } } }'),
    "companies of an industry, by name": companies(
      'filter: { industry: { equalTo: "software" } }, orderBy: NAME_ASC',
    ),
    "companies by industry": "companies { groupedAggregates(groupBy: [INDUSTRY]) { keys count } }",
    "a company with everything": `company(id: "${companyId}") {
      id name contacts { ${contact} } deals { ${deal} }
      tasks(filter: { status: { equalTo: open } }) { ${task} } notes { ${note} }
    }`,

    "deals, the newest": deals(""),
    "deals of a stage": deals('filter: { stage: { equalTo: "Proposal" } }'),
    "deals of a stage, by value": deals(
      'filter: { stage: { equalTo: "Proposal" } }, orderBy: VALUE_DESC',
    ),
    "deals of a stage and a custom field, by value": deals(
      'filter: { stage: { equalTo: "Won" }, region: { equalTo: "north" } }, orderBy: VALUE_DESC',
    ),
    "deals that are open": deals("filter: { pipelineStage: { kind: { equalTo: open } } }"),
    "deals that are open, by date": deals(
      "filter: { pipelineStage: { kind: { equalTo: open } } }, orderBy: CLOSE_DATE_ASC",
    ),
    "deals of an owner": deals('filter: { ownerId: { equalTo: "user7" } }'),
    "deals that close in a month": deals(
      'filter: { closeDate: { greaterThanOrEqualTo: "2024-02-01", lessThan: "2024-03-01" } }, orderBy: CLOSE_DATE_ASC',
    ),
    "deals by value": deals("orderBy: VALUE_DESC"),
    "deals over a value": deals('filter: { value: { greaterThan: "99999" } }'),
    "deals by a part of a title": deals('filter: { title: { includesInsensitive: "8c3f6" } }'),
    "deals, their number and value":
      "deals { totalCount aggregates { sum { value } average { value } } }",
    "deals by stage": "deals { groupedAggregates(groupBy: [STAGE]) { keys count sum { value } } }",
    "deals by month":
      "deals { groupedAggregates(groupBy: [CLOSE_DATE_TRUNCATED_TO_MONTH]) { keys count sum { value } } }",
    "deals by region and currency": `deals {
      groupedAggregates(groupBy: [REGION, CURRENCY]) { keys count sum { valueInBaseCurrency } }
    }`,
    "the pipeline now": 'pipelineAsOf(at: "2100-01-01T00:00:00Z") { nodes { stage count value } }',
    "a deal's stages": `deal(id: "${dealId}") { stageHistory { nodes { stage enteredAt leftAt } } }`,
    "stage periods, the newest": "stagePeriods(first: 50) { nodes { stage enteredAt } }",

    "tasks, the newest": tasks(""),
    "tasks of a user that are open, by date": tasks(
      'filter: { assignedTo: { equalTo: "user7" }, status: { equalTo: open } }, orderBy: DUE_DATE_ASC',
    ),
    "tasks that are overdue": tasks(
      'filter: { status: { equalTo: open }, dueDate: { lessThan: "2026-02-01" } }, orderBy: DUE_DATE_ASC',
    ),
    "tasks by user and status":
      "tasks { groupedAggregates(groupBy: [ASSIGNED_TO, STATUS]) { keys count } }",
    "notes, the newest": list("notes", "", note),
    "notes, searched": list("notes", 'search: "note 8c3f"', note),

    "audit log, the newest": auditLogs("orderBy: ENTRY_ID_DESC"),
    "audit log of a user": auditLogs(
      'filter: { userId: { equalTo: "user7" } }, orderBy: ENTRY_ID_DESC',
    ),
    "audit log of a row": auditLogs(
      `filter: { entityId: { equalTo: "${contactId}" } }, orderBy: ENTRY_ID_DESC`,
    ),
    "audit log of deletions": auditLogs(
      "filter: { action: { equalTo: delete } }, orderBy: ENTRY_ID_DESC",
    ),
    "the trash": "trash(first: 50) { nodes { entityType deletedAt deletedBy } }",

    "search for a word of many": search("call"),
    "search for the beginning of a word": search("user777"),
    "search for a short beginning": search("us"),
    "search for an address": search("user77777@example.com"),
    "search for a phone number": search("+49 30 77777"),
    "search for two words": search("first 8c3f"),
    "search for a misspelt word": search("compnay 8c3f"),
    "search for nothing that exists": search("lovelace"),
    "search for contacts": search("user777", ", entityTypes: [contact]"),
    "groups of contacts that may be the same":
      "duplicateGroups(entityType: contact, first: 20) { nodes { score reasons ids } }",
    "groups of companies that may be the same":
      "duplicateGroups(entityType: company, first: 20) { nodes { score reasons ids } }",
  };
  return queries;
}

/** Why a read takes more than 200 ms. Matches its name. */
export const reasons: readonly { readonly reads: RegExp; readonly why: string }[] = [
  {
    reads: /^(contacts by (last change|company|number of tasks)|companies by value of deals)$/,
    why: "All rows are sorted. Few clients ask for this order, and each index slows every write.",
  },
  {
    reads: /^contacts, a page by offset$/,
    why: "An offset reads the rows that it skips; a cursor does not.",
  },
  {
    reads: /^contacts changed since$/,
    why: "Hardly a row matches, and the column has no index: each change of a row would have to write it.",
  },
  {
    reads: /^deals over a value$/,
    why: "Policies hide statistics of numbers from the planner. In the order of the value, it reads the index.",
  },
  {
    reads: /^(contacts without a company|contacts with a task that is due)$/,
    why:
      "Each row is asked for, and hardly one matches. `companyId: {isNull: true}` and the list of tasks read " +
      "an index.",
  },
  {
    reads: /^\w+ by a part of a (name|title)$/,
    why: "Each row is compared until a page is full. Search finds words by an index.",
  },
  {
    reads: /^a contact's duplicates$/,
    why: "For each of its keys, up to 1,000 contacts are compared, however many there are.",
  },
  {
    reads: /^contacts by (a custom field|a range of a custom field|custom fields as JSON)$/,
    why: "The field has no index; crm.index_custom_field creates one.",
  },
  {
    reads:
      /^contacts by (owner|month)$|, different names$|^companies by industry$|^deals by (stage|month|region.*)$|^deals, their number and value$|^tasks by user and status$/,
    why: "All rows are counted or added up.",
  },
  {
    reads: /^the pipeline now$/,
    why: "All deals are added up, but for those that have changed since.",
  },
  {
    reads: /^report stage_\w+$/,
    why: "A period ends where the next one begins: the entries of all deals are put in line first.",
  },
  {
    reads: /^audit log of deletions$/,
    why: "No index begins with the action, which is that of many entries. The trash lists deletions by one.",
  },
  {
    reads: /^groups of (contacts|companies)/,
    why:
      "The keys of all rows are counted, and rows that share one are compared. All companies of this data share " +
      "a domain, that of their contacts' addresses.",
  },
  { reads: /^report /, why: "Analysts read all rows of a report." },
];
