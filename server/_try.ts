import "/work/main/server/graphql/schema/environment.ts";
import pg from "pg";
import { pino } from "pino";
import { readFileSync } from "node:fs";
import { makeSchema } from "postgraphile";
import { grafast } from "postgraphile/grafast";
import { parse, getOperationAST, validate } from "graphql";
import { getVariableValues } from "graphql/execution/values.js";
import { clientOptions } from "./postgres/client.ts";
import { readConfig } from "./settings.ts";
import { createPgService, createWithPgClient, createTransact, createReserve } from "./postgres/adaptor.ts";
import { createPreset } from "./graphql/preset.ts";
import { deriveServerUrl } from "./postgres/server-login.ts";
import { prepareOperation } from "./graphql/compiled/compile.ts";
import { withJson } from "./graphql/compiled/values.ts";
import { pageSizeOf } from "./graphql/limits/limits.ts";
const url = deriveServerUrl(readFileSync("/tmp/w/url","utf8").replace("/DB", "/"+(process.env.DB??"ten")));
const pool = new pg.Pool({ ...clientOptions(url), max: 2 });
const { limits, heavy, timeouts } = readConfig({});
const { schema, resolvedPreset } = await makeSchema(createPreset({
  pgService: createPgService({ pool, schemas: ["crm", "crm_custom"] }), constraints: {}, logger: pino({ level: "silent" }), limits, heavy, timeouts,
  graphiql: false, introspection: false, persisted: { only: false }, queriesByGet: false }));
const pgSettings = { role: "crm_member", "crm.user_id": "me", "crm.source": "api" };
const wp = createWithPgClient(pool), tr = createTransact(pool), re = createReserve(pool);
export async function old(source: string, variables: any) {
  return JSON.stringify(await grafast({ schema, source, variableValues: variables, resolvedPreset, requestContext: { node: { req: { pgSettings } } },
    } as any));
}
export async function neu(source: string, variables: any, show = false) {
  const document = parse(source);
  const definition = getOperationAST(document, undefined)!;
  const { coerced, errors } = getVariableValues(schema, definition.variableDefinitions ?? [], variables) as any;
  if (errors) throw new Error(String(errors));
  const op = prepareOperation({ schema, document, definition, pageSize: (n) => pageSizeOf(limits, n), groups: limits.groups });
  const t = performance.now();
  const st = op.compile(coerced);
  const took = performance.now() - t;
  if (show) console.log(op.shapeOf(coerced), "\n", st.text, st.parameters.map((r) => r(coerced)), took.toFixed(1), "ms");
  const rows: any = await wp(pgSettings, (c) => c.query({ text: st.text, values: st.parameters.map((r) => r(coerced)) as any, arrayMode: true }));
  const data = rows.rows[0][0];
  return `{"data":${st.hasJson ? withJson(data) : data}}`;
}
const one: any = JSON.parse(await old("{contacts(first:1){nodes{id companyId}}}", {})).data.contacts.nodes[0];
const page: any = JSON.parse(await old("{contacts(first:3){pageInfo{endCursor}}}", {})).data.contacts.pageInfo.endCursor;
let docs: [string, any][] = [
  ["query($id: ID!){contact(id:$id){id firstName lastName emails phones version createdAt updatedAt ownerId company{id name createdAt} tasks{nodes{id description dueDate status}} notes{nodes{id content createdAt}}}}", {id: one.id}],
  ["query($id: ID!){contact(id:$id){id __typename company{name}}}", {id: "00000000-0000-4000-8000-000000000000"}],
  ["{contacts(first:50){nodes{id firstName lastName emails company{id name}}}}", {}],
  ["query($id:ID!){company(id:$id){id name contacts(first:5){nodes{id firstName}} deals{totalCount nodes{id title value stage closeDate probability}} tasks(filter:{status:{equalTo:open}}){nodes{id description}}}}", {id: one.companyId}],
  ["query($s:String!,$r:String!){deals(filter:{stage:{equalTo:$s},region:{equalTo:$r}},orderBy:VALUE_DESC,first:20){nodes{id title value currency region company{name}}}}", {s:"Proposal", r:"north"}],
  ["query($a:Cursor,$f:Int){contacts(first:$f,after:$a){totalCount nodes{id} edges{cursor node{id lastName}} pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}}", {a: page, f: 4}],
  ["query($a:Cursor){contacts(last:3,before:$a,orderBy:[LAST_NAME_DESC,ID_ASC]){nodes{id} pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}}", {}],
  ["query ContactTable(  $search: String, $filter: ContactFilter, $orderBy: [ContactOrderBy!]  $first: Int, $after: Cursor, $last: Int, $before: Cursor) {  contacts( search: $search, filter: $filter, orderBy: $orderBy    first: $first, after: $after, last: $last, before: $before  ) {    totalCount    nodes { id firstName lastName emails updatedAt company { id name } }    pageInfo { hasPreviousPage hasNextPage startCursor endCursor }  }}", {search:"alpha", filter:{lastName:{includesInsensitive:"a1%"}}, orderBy:["NAME_ASC"].slice(1), first: 5}],
  ["query($f:ContactFilter){contacts(filter:$f,first:3){nodes{id customFields employees}}}", {f:{or:[{emails:{contains:["user5@example.com"]}},{firstName:{in:["a","b","c"]}},{company:{name:{startsWith:"Company 1"}}}]}}],
  ["{contacts(first:0){nodes{id} pageInfo{hasNextPage hasPreviousPage startCursor endCursor}} companies(first:2,orderBy:NAME_ASC){nodes{id industry}}}", {}],
  ["{deals{groupedAggregates(groupBy:[STAGE]){keys count sum{value valueInBaseCurrency}} aggregates{count average{value} max{closeDate}}}}", {}],
  ["{deals(filter:{stage:{equalTo:\"Won\"}}){groupedAggregates(groupBy:[CLOSE_DATE_TRUNCATED_TO_YEAR, STAGE]){keys count distinctCount{companyId}}} companies(first:2){nodes{deals{aggregates{sum{value}} groupedAggregates(groupBy:[STAGE]){keys count}}}}}", {}],
  ["{contacts{groupedAggregates(groupBy:[CREATED_AT_TRUNCATED_TO_DAY]){keys count}}}", {}],
  ["{contacts{groupedAggregates(groupBy:[]){keys count}}}", {}],
  ["{contacts{groupedAggregates(groupBy:[UPDATED_AT]){keys count}}}", {}],
  ["query ContactPage($id: ID!) {contact(id: $id) {    id firstName lastName emails phones ownerId    company { id name contacts { totalCount } }    deals(first: 20) { nodes { id title value currency stage } }    notes(first: 20) { nodes { id content createdAt createdBy } }    history(first: 50) { nodes { entryId timestamp userId action changes } }  }}", {id: one.id}],
  ["query($id: ID!) {contact(id: $id) { historyIsComplete history(last: 2, orderBy:[TIMESTAMP_ASC]) { totalCount nodes { entryId timestamp userId action changes } pageInfo{startCursor endCursor hasNextPage hasPreviousPage} } duplicates{nodes{score reasons contact{id}}} }}", {id: one.id}],
  ["query($q: String!) { search(query: $q, first: 20) { nodes { entityType contact { id firstName lastName } company { id name } deal { id title } } } }", {q: "user5"}],
  ["query($q: String!) { search(query: $q, first: 2, entityTypes: [contact, deal]) { nodes { extract contact { id } } edges{cursor} pageInfo{hasNextPage endCursor} } }", {q: "first 5"}],
];
if (process.env.MUT) { docs.length = 0; docs.push(
 ["mutation($input:CreateContactInput!){createContact(input:$input){contact{firstName lastName emails customFields company{name}}}}", {input:{contact:{firstName:"Ä%_\\x", lastName:"b", emails:["q@e.com","z@e.com"], companyId: one.companyId, employees: 5}}}],
 ["mutation($id:ID!,$p:ContactPatch!){saved: updateContact(input:{id:$id,patch:$p}){contact{id firstName ownerId}}}", {id: one.id, p:{firstName:"New", ownerId:null}}],
 ["mutation($id:ID!,$p:ContactPatch!){saved: updateContact(input:{id:$id,patch:$p}){contact{id firstName ownerId}}}", {id: one.id, p:{firstName:"New2", customFields:{employees:7}}}],
 ["mutation($id:ID!,$s:String!){updateDeal(input:{id:$id,patch:{stage:$s}}){deal{id title stage probability}}}", {id: JSON.parse(await old("{deals(first:1){nodes{id}}}",{})).data.deals.nodes[0].id, s:"Won"}],
); 
 const entry = JSON.parse(await old("query($id:ID!){contact(id:$id){history(first:1){nodes{entryId}}}}",{id:one.id})).data.contact.history.nodes[0].entryId;
 docs.push(["mutation UndoEntry($entryId: BigInt!) { undoEntry(input: { entryId: $entryId }) { reversal { transactionId } } }", {entryId: entry}]);
}
if (process.env.R5) docs = [["query R5 { deals { groupedAggregates(groupBy: [STAGE]) { keys count sum { value } } } }", {}]];
if (process.env.LAST) docs = docs.slice(-Number(process.env.LAST));
for (const [d, v] of docs) {
  try {
    const [a, b] = [await old(d, v), await neu(d, v, process.argv[2] === "show")];
    console.log(a === b ? "SAME" : "DIFF", d.slice(0, 100)); if (a !== b) console.log(a.slice(0, 1500), "\n", b.slice(0, 1500));
  } catch (e) { console.log("FAIL", d.slice(0, 100), e); }
}
await pool.end();
