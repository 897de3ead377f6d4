import type pg from "pg";

/** Schemas that are not the product's: PostgreSQL's own, and the migration tool's. */
const foreign = `(nspname like 'pg\\_%' or nspname in ('information_schema', 'graphile_migrate', 'crm_migrations'))`;

/** One query per kind of object; each gives one text per object. */
const queries = {
  schemas: `
    select format('%s owner %s acl %s', nspname, nspowner::regrole, nspacl)
      from pg_namespace
     where not ${foreign}`,

  extensions: `select format('%s %s', extname, extversion) from pg_extension`,

  types: `
    select format('%s %s %s acl %s', type.oid::regtype, typtype,
                  (select array_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = type.oid),
                  typacl)
      from pg_type as type
      join pg_namespace on pg_namespace.oid = typnamespace
     where not ${foreign} and typtype in ('e', 'd', 'r')`,

  relations: `
    select format('%s %s owner %s acl %s rls %s %s options %s key %s bound %s', class.oid::regclass, relkind,
                  relowner::regrole, relacl, relrowsecurity, relforcerowsecurity, reloptions,
                  pg_get_partkeydef(class.oid), pg_get_expr(relpartbound, class.oid))
      from pg_class as class
      join pg_namespace on pg_namespace.oid = relnamespace
     where not ${foreign} and relkind in ('r', 'p', 'v', 'm', 'S')`,

  columns: `
    select format('%s.%s #%s %s notnull %s identity %s generated %s default %s acl %s', attrelid::regclass,
                  attname,
                  row_number() over (partition by attrelid order by attnum),
                  format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
                  pg_get_expr(adbin, adrelid), attacl)
      from pg_attribute
      join pg_class as class on class.oid = attrelid
      join pg_namespace on pg_namespace.oid = relnamespace
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
     where not ${foreign} and attnum > 0 and not attisdropped and relkind in ('r', 'p', 'v', 'm')`,

  constraints: `
    select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(constr.oid))
      from pg_constraint as constr
      join pg_namespace on pg_namespace.oid = connamespace
     where not ${foreign}`,

  indexes: `
    select format('%s %s', indrelid::regclass, pg_get_indexdef(indexrelid))
      from pg_index
      join pg_class as class on class.oid = indexrelid
      join pg_namespace on pg_namespace.oid = relnamespace
     where not ${foreign}`,

  views: `
    select format('%s %s', class.oid::regclass, pg_get_viewdef(class.oid))
      from pg_class as class
      join pg_namespace on pg_namespace.oid = relnamespace
     where not ${foreign} and relkind in ('v', 'm')`,

  functions: `
    select format('owner %s acl %s %s', proowner::regrole, proacl, pg_get_functiondef(proc.oid))
      from pg_proc as proc
      join pg_namespace on pg_namespace.oid = pronamespace
     where not ${foreign} and prokind in ('f', 'p')
       and not exists (select from pg_depend
                        where classid = 'pg_proc'::regclass and objid = proc.oid and deptype = 'e')`,

  triggers: `
    select pg_get_triggerdef(trg.oid)
      from pg_trigger as trg
      join pg_class as class on class.oid = tgrelid
      join pg_namespace on pg_namespace.oid = relnamespace
     where not ${foreign} and not tgisinternal`,

  eventTriggers: `select format('%s %s %s', evtname, evtevent, evtfoid::regproc) from pg_event_trigger`,

  policies: `
    select format('%s.%s %s %s %s %s using %s check %s', schemaname, tablename, policyname, permissive, roles, cmd,
                  qual, with_check)
      from pg_policies`,

  defaultPrivileges: `
    select format('%s %s %s %s', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl)
      from pg_default_acl`,

  comments: `
    select format('%s: %s', pg_describe_object(classoid, objoid, objsubid), description)
      from pg_description
     where classoid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_constraint'::regclass,
                        'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_namespace'::regclass,
                        'pg_type'::regclass)
       and objoid >= 16384`,
};

/** The schema of a database as texts, sorted, by kind of object. */
export type Catalog = Record<keyof typeof queries, string[]>;

/**
 * Takes down everything that migrations make in a database, so that two states can be compared.
 *
 * @param client a connection to it.
 */
export async function readCatalog(client: pg.ClientBase): Promise<Catalog> {
  const catalog: Partial<Catalog> = {};
  for (const [kind, text] of Object.entries(queries)) {
    const { rows } = await client.query<[string]>({ text, rowMode: "array" });
    catalog[kind as keyof Catalog] = rows.map(([object]) => object).sort();
  }
  return catalog as Catalog;
}
