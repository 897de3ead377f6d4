import type pg from "pg";

import { code, table } from "./markdown.ts";

/** The roles that the product creates; granted roles come before their members. */
const roles = ["crm_reader", "crm_member", "crm_admin", "crm_server", "crm_reporter"] as const;

/** A login without any of the roles, or a request without a token. */
const nobody = "nobody";

/** The letters of the operations in the matrix. */
const letters = { select: "S", insert: "I", update: "U", delete: "D" } as const;

interface TableRights {
  table: string;
  role: string;
  /** The allowed operations; null if there are none. */
  sql: string[] | null;
  graphql: string[] | null;
}

/**
 * Renders the rights of each role on each table or view, by SQL and by GraphQL. GraphQL exposes the tables
 * of schema `crm` to the roles that a token can name, and changes rows by their primary key.
 */
export async function renderMatrix(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<TableRights>(
    `select
       rights.table,
       rights.role,
       array_agg(operation order by ordinal) filter (where may) as sql,
       array_agg(operation order by ordinal) filter (where may and by_graphql) as graphql
     from (
       select
         format('%I.%I', namespace.nspname, class.relname) as table,
         role.name as role,
         lower(privilege) as operation,
         ordinal,
         has_schema_privilege(grantee, namespace.oid, 'usage')
           and case privilege
             when 'DELETE' then has_table_privilege(grantee, class.oid, privilege)
             else has_any_column_privilege(grantee, class.oid, privilege)
           end as may,
         namespace.nspname = 'crm'
           and role.name in ('crm_reader', 'crm_member', 'crm_admin')
           and (
             privilege in ('SELECT', 'INSERT')
             or exists (select from pg_index where indrelid = class.oid and indisprimary)
           ) as by_graphql
       from pg_class as class
       join pg_namespace as namespace on namespace.oid = class.relnamespace
       cross join unnest($1::text[]) as role (name)
       cross join coalesce(nullif(role.name, $2), 'public') as grantee
       cross join unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[])
         with ordinality as listed (privilege, ordinal)
       where namespace.nspname in ('crm', 'crm_private', 'reporting')
         and class.relkind in ('r', 'p', 'v', 'm')
         and not class.relispartition
     ) as rights
     group by rights.table, rights.role
     order by rights.table collate "C"`,
    [[nobody, ...roles], nobody],
  );
  const cell = (operations: readonly string[] | null) =>
    code(
      Object.entries(letters)
        .map(([operation, letter]) => (operations?.includes(operation) ? letter : "-"))
        .join(""),
    );
  return table(
    ["Table or view", "Interface", nobody, ...roles.map((role) => code(role))],
    [...new Set(rows.map((row) => row.table))].flatMap((name) =>
      (["sql", "graphql"] as const).map((by) => [
        code(name),
        by === "sql" ? "SQL" : "GraphQL",
        ...[nobody, ...roles].map((role) =>
          cell(rows.find((row) => row.table === name && row.role === role)?.[by] ?? null),
        ),
      ]),
    ),
  );
}

interface ColumnRight {
  table: string;
  operation: string;
  roles: string[];
  columns: string[];
}

/** Renders the columns that a role may write. */
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

interface SchemaRight {
  schema: string;
  roles: string[];
}

/** Renders the schemas that a role may use. */
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
