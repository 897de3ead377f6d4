/** Queries that are allowed, each as expensive as its kind can be. */

const times = (count: number, part: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => part(index)).join("\n");

const contact = `id firstName lastName emails phones companyId ownerId customFields version createdAt
  updatedAt createdBy updatedBy`;

export const cheap = "{ contacts(first: 10) { nodes { id firstName lastName } } }";

export const expensive = {
  // The sizes differ because the server would merge equal lists; an offset would count as a scan.
  "20,000 whole rows": `{ ${times(20, (i) => `l${i}: contacts(first: ${1000 - i}) { nodes { ${contact} } }`)} }`,
  "20,000 rows in lists of lists": `{
    contacts(first: 100) { nodes { ${contact}
      tasks { nodes { id description } } notes { nodes { id content } } } }
  }`,
  "1,000 companies with 18 contacts each": `{
    companies(first: 1000) { nodes { id name contacts(first: 20) { nodes { ${contact} } } } }
  }`,
  "15 searches of all contacts": `{ ${times(15, (i) => `c${i}: contacts(filter: { firstName: { likeInsensitive: "%a%b%${i}%" } }) { totalCount }`)} }`,
  "15 searches through relations": `{ ${times(
    15,
    (i) => `c${i}: contacts(filter: {
      company: { deals: { some: { title: { likeInsensitive: "%a%b%${i}%" } } } }
      tasks: { some: { description: { likeInsensitive: "%x%y%" } } }
    }) { totalCount }`,
  )} }`,
  "distinct values of three columns": `{
    contacts { aggregates { distinctCount { firstName lastName emails } } }
  }`,
  "10 groupings of all contacts": `{ ${times(10, (i) => `g${i}: contacts(filter: { lastName: { includes: "${i}" } }) { groupedAggregates(groupBy: [OWNER_ID]) { keys count } }`)} }`,
  "aggregates of each of 1,000 companies": `{
    companies(first: 1000) { nodes { id ${times(14, (i) => `d${i}: deals(filter: { title: { likeInsensitive: "%a%${i}%" } }) { aggregates { sum { value } } }`)} } }
  }`,
  "15 lists in an order without an index": `{ ${times(15, (i) => `o${i}: contacts(first: 1000, orderBy: [OWNER_ID_ASC, UPDATED_AT_DESC, FIRST_NAME_ASC]) { nodes { id } }`)} }`,
  "10 searches for names": `{ ${times(10, (i) => `s${i}: search(query: "frist last ${i}", first: 1000) { rank extract contact { ${contact} } }`)} }`,
  "duplicates of 60 contacts": `{
    contacts(first: 60) { nodes { id duplicates { nodes { score reasons contact { ${contact} } } } } }
  }`,
  "all groups of duplicates": `{ duplicateGroups(entityType: contact) { nodes { score contacts { nodes { id } } } } }`,
  "the pipeline at three times": `{ ${times(3, (i) => `p${i}: pipelineAsOf(at: "203${i}-01-01T00:00:00Z") { nodes { stage count value } }`)} }`,
  "15 searches of JSON": `{ ${times(15, (i) => `j${i}: contacts(filter: { customFields: { containsKey: "k${i}" } }) { totalCount }`)} }`,
};
