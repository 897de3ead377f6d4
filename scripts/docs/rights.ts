import type pg from "pg";

import { code, table } from "./markdown.ts";

/** The roles that the product creates, the ones that others are members of first. */
const roles = ["crm_reader", "crm_member", "crm_admin", "crm_server", "crm_reporter"] as const;

interface TableRight {
  table: string;
  role: string;
  operations: string[];
}

/** Roles × tables × operations: what each role may do with each table or view. */
export async function renderTableRights(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<TableRight>(
    `select
       format('%I.%I', namespace.nspname, class.relname) as table,
       role.name as role,
       array(
         select lower(privilege)
         from unnest(
           array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
         ) with ordinality as listed (privilege, ordinal)
         where case
           when privilege in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
           then has_any_column_privilege(role.name, class.oid, privilege)
           else has_table_privilege(role.name, class.oid, privilege)
         end
         order by ordinal
       ) as operations
     from pg_class as class
     join pg_namespace as namespace on namespace.oid = class.relnamespace
     cross join unnest($1::text[]) as role (name)
     where namespace.nspname in ('crm', 'crm_private', 'reporting')
       and class.relkind in ('r', 'p', 'v', 'm')
       and not class.relispartition
     order by namespace.nspname collate "C", class.relname collate "C"`,
    [roles],
  );
  return table(
    ["Table or view", ...roles.map((role) => code(role))],
    [...new Set(rows.map((row) => row.table))].map((name) => [
      code(name),
      ...roles.map((role) => {
        const right = rows.find((row) => row.table === name && row.role === role);
        return right?.operations.length ? right.operations.join(", ") : "–";
      }),
    ]),
  );
}

interface ColumnRight {
  table: string;
  operation: string;
  roles: string[];
  columns: string[];
}

/** The columns that a client may write. */
export async function renderColumnRights(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<ColumnRight>(
    `select
       listed.table,
       lower(listed.privilege) as operation,
       array_agg(listed.role order by listed.ordinal) as roles,
       listed.columns
     from (
       select
         format('%I.%I', namespace.nspname, class.relname) as table,
         privilege,
         role.name as role,
         role.ordinal,
         array(
           select attribute.attname::text
           from pg_attribute as attribute
           where attribute.attrelid = class.oid
             and attribute.attnum > 0
             and not attribute.attisdropped
             and has_column_privilege(role.name, class.oid, attribute.attnum, privilege)
           order by attribute.attnum
         ) as columns
       from pg_class as class
       join pg_namespace as namespace on namespace.oid = class.relnamespace
       cross join unnest($1::text[]) with ordinality as role (name, ordinal)
       cross join unnest(array['INSERT', 'UPDATE']) as privilege
       where namespace.nspname in ('crm', 'crm_private', 'reporting')
         and class.relkind in ('r', 'p', 'v', 'm')
         and not class.relispartition
     ) as listed
     where listed.columns <> '{}'
     group by listed.table, listed.privilege, listed.columns
     order by listed.table collate "C", listed.privilege, listed.columns`,
    [roles],
  );
  return table(
    ["Table", "Operation", "Roles", "Columns"],
    rows.map((right) => [
      code(right.table),
      right.operation,
      code(...right.roles),
      code(...right.columns),
    ]),
  );
}

interface FunctionRight {
  function: string;
  roles: string[];
}

/** The functions that a role may call. */
export async function renderFunctionRights(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<FunctionRight>(
    `select listed.function, listed.roles
     from (
       select
         proc.oid::regproc::text as function,
         array(
           select role.name
           from unnest($1::text[]) with ordinality as role (name, ordinal)
           where has_function_privilege(role.name, proc.oid, 'execute')
           order by role.ordinal
         ) as roles
       from pg_proc as proc
       where proc.pronamespace in (
         'crm'::regnamespace, 'crm_private'::regnamespace, 'reporting'::regnamespace
       )
     ) as listed
     where listed.roles <> '{}'
     order by listed.function collate "C"`,
    [roles],
  );
  return table(
    ["Function", "Roles"],
    rows.map((right) => [code(right.function), code(...right.roles)]),
  );
}

interface SchemaRight {
  schema: string;
  roles: string[];
}

/** The schemas whose objects a role may name. */
export async function renderSchemaRights(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<SchemaRight>(
    `select
       namespace.nspname as schema,
       array(
         select role.name
         from unnest($1::text[]) with ordinality as role (name, ordinal)
         where has_schema_privilege(role.name, namespace.oid, 'usage')
         order by role.ordinal
       ) as roles
     from pg_namespace as namespace
     where namespace.nspname in ('crm', 'crm_private', 'reporting')
     order by namespace.nspname collate "C"`,
    [roles],
  );
  return table(
    ["Schema", "Roles"],
    rows.map((right) => [code(right.schema), code(...right.roles)]),
  );
}
