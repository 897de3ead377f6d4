/** Statements that may read a whole table. */
export interface Allowed {
  readonly kind: string;
  readonly why: string;
  /** Matches the names of their probes. */
  readonly probes: RegExp;
}

const anyList = "(companies|contacts|deals|tasks|notes|auditLogs|stagePeriods)";
const comparison = "(equalTo|in|isNull|(less|greater)Than(OrEqualTo)?)";

/**
 * The allowed statements. Limits bound what a request may scan (`MAX_SCANS`), so each is slow at most, and no
 * other request waits for it.
 */
export const register: readonly Allowed[] = [
  {
    kind: "Filters that most rows match",
    why:
      "An index does not help to read most of a table. notDistinctFrom finds few rows, but PostgreSQL has no " +
      "index for it; equalTo finds the same.",
    probes: new RegExp(
      `^(${anyList}|trash) filter (not$|\\w+\\.(not[A-Z]|distinctFrom|anyNotEqualTo))`,
    ),
  },
  {
    kind: "Filters by a part of a text, or regardless of case",
    why:
      "Search finds texts by their words. Only the labels of entities have an index for their beginning " +
      "regardless of case: each text column would need two more indexes.",
    probes: new RegExp(
      `^${anyList} filter (?!(firstName|lastName|name|title)\\.(startsWith|(equalTo|in|startsWith)Insensitive)$)` +
        "\\w+\\.(\\w+Insensitive|includes|startsWith|endsWith|like)$",
    ),
  },
  {
    kind: "Filters on a column without an index",
    why: "Few clients filter by these columns alone, and each index slows every write.",
    probes: new RegExp(
      `^${anyList} filter (` +
        "firstName|title|description|content|currency|probability|probabilityGiven|" +
        "lostReason|version|updatedAt|createdBy|updatedBy|entityType" +
        `)\\.${comparison}$`,
    ),
  },
  {
    kind: "Ranges of amounts",
    why:
      "Row-level security hides the statistics of numbers from the planner, which expects a third of the rows. " +
      "With the order by the value, it reads the index.",
    probes: /^deals filter value\.(less|greater)Than/,
  },
  {
    kind: "Filters by null in a column that is null in most rows",
    why: "Its index has only the other rows.",
    probes: /^(tasks|notes) filter (contact|company|deal)(Id\.isNull|Exists)$/,
  },
  {
    kind: "Filters on lists by their order, or by other values than an equal one",
    why: "The index of a list has its elements.",
    probes:
      /^contacts filter (emails|phones)\.(any|less|greater|containedBy)\w*$|^contacts filter phones\.equalTo$|^\w+ filter externalIds\.anySourceEqualTo$/,
  },
  {
    kind: "Filters on JSON",
    why:
      "The planner expects that many rows contain a value, so with a limit it reads the rows in their order. " +
      "A custom field can have an index of its own, as the city and the country of an address have.",
    probes: /^\w+ filter (customFields|address|changes)\./,
  },
  {
    kind: "Filters by the existence or the aggregates of related rows",
    why: "Each row is asked for.",
    probes: /^\w+ filter (\w+\.(every|none|aggregates)|\w+Exists?)$/,
  },
  {
    kind: "Orders by a column without an index, or with few values",
    why: "Few clients order by these columns, and each index slows every write.",
    probes: new RegExp(
      `^${anyList} orderBy (` +
        "FIRST_NAME|TITLE|CURRENCY|PROBABILITY|PROBABILITY_GIVEN|LOST_REASON|DESCRIPTION|CONTENT|" +
        "STAGE|STATUS|ENTITY_TYPE|VERSION|UPDATED_AT|CREATED_BY|UPDATED_BY|CLOSED_AT|" +
        "(CONTACT|COMPANY|DEAL)_ID)_(ASC|DESC)$",
    ),
  },
  {
    kind: "Orders by related rows and their aggregates",
    why: "The value of each row is in other rows.",
    probes:
      /^\w+ orderBy (\w+_(COUNT|SUM|MIN|MAX|AVERAGE)_\w+|\w+_COUNT_(ASC|DESC)|(COMPANY|CONTACT|DEAL|ENTITY)_(\w+_)?(NAME|TITLE|LABEL)_(ASC|DESC))$/,
  },
  {
    kind: "Counts, groups and aggregates of all rows",
    why: "They are about all rows.",
    probes: /^\w+ (totalCount|groupBy|aggregates)\b/,
  },
  {
    kind: "The audit log of all rows, for members",
    why:
      "A member sees the entries of the rows that the member can read, which the policy asks for each entry. " +
      "A page ends when it is full.",
    probes: /^auditLogs (page|filter|orderBy)\b/,
  },
  {
    kind: "The stage history of all deals",
    why: "A period ends where the next one begins, so all entries of deals are ordered first.",
    probes: /^stagePeriods (page|filter|orderBy)\b|^deals filter stageHistory\b/,
  },
  {
    kind: "Deals of a pipeline stage, and of all stages in the past",
    why: "A stage may have most of the deals. Limits count them as a scan.",
    probes: /^pipelineStage deals$|^query pipelineAsOf$/,
  },
  {
    kind: "Groups of duplicates",
    why: "All rows are compared with each other, by their match keys. Limits count it as nine scans.",
    probes: /^query duplicateGroups$/,
  },
];
