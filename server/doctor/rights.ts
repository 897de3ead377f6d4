import type pg from "pg";

/** The roles that the product creates. */
export const productRoles = [
  "crm_reader",
  "crm_member",
  "crm_admin",
  "crm_server",
  "crm_reporter",
] as const;

/**
 * Returns the rights of the product's roles in a database, in sentences such as
 * `crm_member may insert crm.notes (content)`. The rights of `public` are listed too.
 *
 * @param client a connection to a migrated database.
 */
export async function readRights(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ sentence: string }>(
    `with schemas as (
       select oid, nspname, nspowner, nspacl
       from pg_namespace
       where nspname in ('crm', 'crm_private', 'reporting')
     ),
     roles as (
       select name from unnest($1::text[]) as role (name) where to_regrole(name) is not null
     ),
     tables as (
       select class.*, format('%I.%I', schemas.nspname, class.relname) as name
       from pg_class as class
       join schemas on schemas.oid = class.relnamespace
       where class.relkind in ('r', 'p', 'v', 'm', 'S') and not class.relispartition
     ),
     functions as (
       select proc.*, format('%I.%I', schemas.nspname, proc.proname) as name
       from pg_proc as proc
       join schemas on schemas.oid = proc.pronamespace
     )
     select format('%s may %s schema %s', roles.name, privilege, schemas.nspname) as sentence
     from roles, schemas, unnest('{usage,create}'::text[]) as privilege
     where has_schema_privilege(roles.name, schemas.oid, privilege)

     union all
     select format('%s may %s %s (%s)', roles.name, privilege, tables.name, columns.list)
     from roles
     cross join tables
     cross join unnest('{select,insert,update,references}'::text[]) as privilege
     cross join lateral (
       select string_agg(attname, ', ' order by attname collate "C") as list
       from pg_attribute
       where attrelid = tables.oid
         and attnum > 0
         and not attisdropped
         -- Custom fields are columns of reports, and differ between databases.
         and not (tables.relnamespace = 'reporting'::regnamespace and attname like 'custom\\_%')
         and has_column_privilege(roles.name, attrelid, attnum, privilege)
     ) as columns
     where tables.relkind <> 'S' and columns.list is not null

     union all
     select format('%s may %s %s', roles.name, privilege, tables.name)
     from roles, tables, unnest('{delete,truncate,trigger}'::text[]) as privilege
     where tables.relkind <> 'S' and has_table_privilege(roles.name, tables.oid, privilege)

     union all
     select format('%s may execute %s', roles.name, functions.name)
     from roles, functions
     where has_function_privilege(roles.name, functions.oid, 'execute')

     union all
     select format('public may %s schema %s', lower(acl.privilege_type), schemas.nspname)
     from schemas, aclexplode(schemas.nspacl) as acl
     where acl.grantee = 0

     union all
     select format('public may %s %s', lower(acl.privilege_type), tables.name)
     from tables, aclexplode(tables.relacl) as acl
     where acl.grantee = 0

     union all
     select format('public may %s %s (%s)', lower(acl.privilege_type), tables.name, attname)
     from tables
     join pg_attribute on attrelid = tables.oid
     cross join aclexplode(attacl) as acl
     where acl.grantee = 0

     union all
     select format('public may execute %s', functions.name)
     from functions, aclexplode(coalesce(proacl, acldefault('f', proowner))) as acl
     where acl.grantee = 0

     order by 1`,
    [productRoles],
  );
  return [...new Set(rows.map(({ sentence }) => sentence))].sort();
}
