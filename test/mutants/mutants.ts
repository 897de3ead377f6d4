import type pg from "pg";

/** One way to break the schema. */
export interface Mutant {
  /** What it breaks, and how: `check contacts_emails_format dropped`. */
  readonly name: string;
  /** Does it. */
  readonly sql: string;
  /** The tests that are to notice, the likeliest first; see jest's patterns of files. */
  readonly tests: readonly string[];
}

const ours = "('crm', 'crm_private', 'reporting')";

/** After a rule is gone the validation is compiled anew, as the migration that forgot it would. */
const bind = (table: string) =>
  `select crm_private.compile_rules('${table}') from pg_trigger
   where tgrelid = '${table}'::regclass and tgname = '_200_validate'`;

interface Found {
  kind: string;
  name: string;
  parent: string;
  definition: string;
}

/**
 * Every trigger, constraint, policy, index and view of a database, broken once; of a view each comparison,
 * condition and join.
 */
export async function findMutants(client: pg.ClientBase): Promise<Mutant[]> {
  const { rows } = await client.query<Found>(`
    select 'trigger' as kind, tgname::text as name, tgrelid::regclass::text as parent,
      pg_get_triggerdef(trg.oid) as definition
    from pg_trigger as trg
    join pg_class as class on class.oid = tgrelid
    where not tgisinternal and tgparentid = 0 and relnamespace::regnamespace::text in ${ours}

    union all

    select
      case contype when 'c' then 'check' when 'f' then 'foreign key' else 'unique key' end,
      conname, conrelid::regclass::text, pg_get_constraintdef(oid)
    from pg_constraint
    where contype in ('c', 'f', 'u', 'x') and conparentid = 0
      and conrelid <> 0 and connamespace::regnamespace::text in ${ours}

    union all

    select 'required column', attname, attrelid::regclass::text, ''
    from pg_attribute
    join pg_class as class on class.oid = attrelid
    where attnotnull and attnum > 0 and not attisdropped and attidentity = ''
      and relkind = 'r' and not relispartition and relnamespace = 'crm'::regnamespace
      and not exists (
        select from pg_index where indrelid = attrelid and indisprimary and attnum = any (indkey)
      )

    union all

    select 'policy', polname, polrelid::regclass::text,
      coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    from pg_policy

    union all

    select 'index', indexrelid::regclass::text, indrelid::regclass::text,
      pg_get_indexdef(indexrelid)
    from pg_index
    join pg_class as class on class.oid = indexrelid
    where not indisunique and not relispartition and relnamespace::regnamespace::text in ${ours}

    union all

    select 'view', oid::regclass::text, coalesce(array_to_string(reloptions, ', '), ''), pg_get_viewdef(oid)
    from pg_class
    where relkind = 'v' and relnamespace::regnamespace::text in ${ours}

    order by kind, parent, name`);
  return rows.flatMap(mutantsOf);
}

function mutantsOf({ kind, name, parent, definition }: Found): Mutant[] {
  const table = parent.replace(/^\w+\./, "");
  switch (kind) {
    case "trigger":
      return [
        {
          name: `trigger ${name} on ${parent} dropped`,
          sql: `drop trigger ${name} on ${parent}`,
          tests: triggerTests(name, table),
        },
      ];
    case "check":
    case "foreign key":
    case "unique key":
      return [
        {
          name: `${kind} ${name} dropped`,
          sql: `alter table ${parent} drop constraint ${name} cascade; ${bind(parent)}`,
          tests: [...entityTests(table), "test/db/"],
        },
      ];
    case "required column":
      return [
        {
          name: `column ${parent}.${name} not required`,
          sql: `alter table ${parent} alter ${name} drop not null; ${bind(parent)}`,
          tests: [...entityTests(table), "test/db/"],
        },
      ];
    case "policy":
      return [
        {
          name: `policy ${name} on ${parent} dropped`,
          sql: `drop policy ${name} on ${parent}`,
          tests: policyTests,
        },
        ...(definition === "true"
          ? []
          : [
              {
                name: `policy ${name} on ${parent} lets everything through`,
                sql: weaken(name, parent),
                tests: policyTests,
              },
            ]),
      ];
    case "index":
      return [
        {
          name: `index ${name} dropped`,
          sql: `drop index ${name}`,
          tests: ["test/db/schema/indexes", "test/db/search/search", "test/properties/idempotency"],
        },
      ];
    default:
      return mutateView(name, parent, definition);
  }
}

/** A policy has `using`, `with check`, or both, as its command allows. */
function weaken(name: string, table: string): string {
  return `do $weaken$
  declare
    v_policy pg_policy;
  begin
    select * into v_policy from pg_policy
    where polname = '${name}' and polrelid = '${table}'::regclass;
    execute 'alter policy ${name} on ${table}'
      || case when v_policy.polqual is null then '' else ' using (true)' end
      || case when v_policy.polwithcheck is null then '' else ' with check (true)' end;
  end
  $weaken$`;
}

/** What is written otherwise in a view, once at each place where it stands. */
const rewrites: [from: RegExp, to: string][] = [
  [/ = /g, " <> "],
  [/ <> /g, " = "],
  [/ < /g, " >= "],
  [/ > /g, " <= "],
  [/ <= /g, " > "],
  [/ >= /g, " < "],
  [/ IS NOT NULL/g, " IS NULL"],
  [/ IS NULL/g, " IS NOT NULL"],
  [/\bAND\b/g, "OR"],
  [/\bOR\b/g, "AND"],
  [/\bWHERE \(/g, "WHERE true OR ("],
  [/\bLEFT JOIN\b/g, "JOIN"],
  [/\bDISTINCT\b/g, ""],
  [/\bsum\(/g, "max("],
  [/ \* /g, " + "],
];

function mutateView(name: string, options: string, definition: string): Mutant[] {
  const as = `create or replace view ${name} ${options ? `with (${options})` : ""} as`;
  return rewrites.flatMap(([from, to]) =>
    [...definition.matchAll(from)].map((match) => {
      const { index } = match;
      const around = definition.slice(Math.max(0, index - 30), index + match[0].length + 30);
      return {
        name: `view ${name}: ${match[0].trim()} became ${to.trim()} in ${around.replaceAll(/\s+/g, " ")}`,
        sql: `${as} ${definition.slice(0, index)}${to}${definition.slice(index + match[0].length)}`,
        tests: viewTests(name),
      };
    }),
  );
}

const policyTests = [
  "test/db/schema/catalog",
  "test/db/access/api-keys",
  "test/db/access/roles",
  "test/db/",
];

function viewTests(name: string): string[] {
  if (name.startsWith("reporting.")) {
    return [
      "test/db/views/reporting/reporting",
      "test/db/deals/exchange-rates",
      "test/db/history/history",
    ];
  }
  if (name === "crm.trash") return ["test/db/undo/trash", "test/db/erasure/erasure"];
  if (name === "crm.stage_history") return ["test/db/history/history", "test/scenarios/sales"];
  return ["test/db/validation/rules", "test/db/bulk/bulk", "test/db/"];
}

function triggerTests(name: string, table: string): string[] {
  const first = Object.entries({
    _100: [
      "test/db/validation/rules",
      "test/db/custom_fields/definition-rules",
      "test/db/custom_fields/",
    ],
    _110: ["test/db/validation/rules", "test/db/access/api-keys"],
    _200: ["test/db/validation/rules"],
    _210: ["test/db/deals/exchange-rates", "test/db/custom_fields/definitions"],
    _300: ["test/db/external_ids/external-ids", "test/db/merge/merge"],
    _500: ["test/db/custom_fields/definitions"],
    _900: ["test/db/audit_log/audit-log"],
  }).find(([phase]) => name.startsWith(phase))?.[1];
  return ["test/db/schema/catalog", ...(first ?? []), ...entityTests(table), "test/db/"];
}

function entityTests(table: string): string[] {
  const special: Record<string, string[]> = {
    api_keys: ["test/db/access/api-keys"],
    audit_logs: ["test/db/audit_log/audit-log", "test/db/audit_log/seals", "test/db/undo/trash"],
    custom_field_definitions: [
      "test/db/custom_fields/definitions",
      "test/db/custom_fields/definition-rules",
    ],
    exchange_rates: ["test/db/deals/exchange-rates"],
    settings: ["test/db/deals/exchange-rates", "test/db/undo/trash"],
    external_ids: ["test/db/external_ids/external-ids"],
    audit_log_blocks: ["test/db/audit_log/seals", "test/db/audit_log/months"],
  };
  return ["test/db/validation/rules", ...(special[table] ?? [])];
}
