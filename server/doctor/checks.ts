import type pg from "pg";

/** Rules of an installation, each a query over the catalog that returns a sentence for each breach. */
export const checks: readonly string[] = [
  // An administrator of the database may have switched triggers off, those of foreign keys too.
  `select format('trigger %s on %s is disabled', tgname, tgrelid::regclass)
     from pg_trigger
     join pg_class as class on class.oid = tgrelid
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and tgenabled not in ('O', 'A')`,

  `select format('table %s has no row-level security', oid::regclass)
     from pg_class
    where relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and relkind in ('r', 'p')
      and not relrowsecurity`,

  `select format('role %s is missing', name)
     from unnest('{crm_reader,crm_member,crm_admin,crm_server,crm_reporter}'::text[]) as name
    where to_regrole(name) is null`,

  `select format('role %s %s', rolname, fault)
     from pg_roles
    cross join lateral (
      values
        (rolsuper, 'is a superuser'),
        (rolbypassrls, 'bypasses row-level security'),
        (rolcreaterole, 'can create roles'),
        (rolcreatedb, 'can create databases'),
        (rolreplication, 'can replicate'),
        (rolcanlogin and rolname in ('crm_reader', 'crm_member', 'crm_admin'), 'can log in'),
        (rolinherit and rolname = 'crm_server', 'has the rights of the roles it may become')
    ) as faults (is_so, fault)
    where rolname in ('crm_reader', 'crm_member', 'crm_admin', 'crm_server', 'crm_reporter')
      and is_so`,

  `with expected (member, role) as (
     values
       ('crm_member', 'crm_reader'), ('crm_admin', 'crm_member'), ('crm_server', 'crm_reader'),
       ('crm_server', 'crm_member'), ('crm_server', 'crm_admin')
   ),
   found as (
     select membership.member::regrole::text as member, membership.roleid::regrole::text as role
     from pg_auth_members as membership
     where membership.member::regrole::text
       in ('crm_reader', 'crm_member', 'crm_admin', 'crm_server', 'crm_reporter')
   )
   (select format('role %s is a member of %s and should not be', member, role)
    from (table found except table expected) as more)
   union all
   (select format('role %s is not a member of %s', member, role)
    from (table expected except table found) as less)`,

  // What they may do in the schemas of the product is examined with the rights.
  `select format('role %s can create objects in schema %s', rolname, nspname)
     from pg_roles
    cross join pg_namespace as namespace
    where rolname in ('crm_reader', 'crm_member', 'crm_admin', 'crm_server', 'crm_reporter')
      and nspname not in ('crm', 'crm_private', 'reporting')
      and has_schema_privilege(rolname, namespace.oid, 'create')
   union all
   select format('role %s can create %s in the database', rolname, objects)
     from pg_roles
    cross join (values ('temporary', 'temporary tables'), ('create', 'schemas'))
      as kind (privilege, objects)
    where rolname in ('crm_reader', 'crm_member', 'crm_admin', 'crm_server', 'crm_reporter')
      and has_database_privilege(rolname, current_database(), privilege)`,

  `select format('constraint %s on %s has not been validated', conname, conrelid::regclass)
     from pg_constraint
    where connamespace in ('crm'::regnamespace, 'crm_private'::regnamespace) and not convalidated`,

  `select format('index %s is invalid', indexrelid::regclass) || coalesce(
       format('; npx pgcrm field index %s %s makes it anew', field.entity_type, field.name), ''
     )
     from pg_index
     join pg_class as class on class.oid = indrelid
     join pg_class as index on index.oid = indexrelid
     left join crm.custom_field_definitions as field
       on crm_private.custom_field_index_name(field) = index.relname
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and not indisvalid`,

  // A trigger that was switched off may have let a definition go without its index.
  `select format('index %s belongs to a custom field that is gone; drop it', oid::regclass)
     from pg_class
    where relnamespace = 'crm'::regnamespace
      and relkind = 'i'
      and relname ~ '_custom_[0-9a-f]{32}$'
      and not exists (
        select from crm.custom_field_definitions as field
        where crm_private.custom_field_index_name(field) = relname
      )`,

  // A server seals every few seconds; an hour is more than any transaction should take.
  `select format(
       'the audit log has not been sealed for %s minutes: is there a server, or pgcrm maintain, and which '
       'session keeps it from being sealed?', (seconds / 60)::integer
     )
     from crm_private.unsealed_seconds() as seconds
    where seconds > 3600`,

  // Whose order differs from that of the index that was built with it.
  `select format(
       'collation %s was version %s and is %s now: reindex, then alter collation … refresh version',
       oid::regcollation, collversion, pg_collation_actual_version(oid)
     )
     from pg_collation as known
    where collversion <> pg_collation_actual_version(oid)
      and (
        exists (select from pg_attribute where attcollation = known.oid and attrelid >= 16384)
        or known.oid = 'crm_private.folding'::regcollation
      )`,

  // PostgreSQL's trigrams, lower() and order follow the locale.
  `select format(
       'the locale of the database, %s, knows ASCII alone: names are sorted by their bytes, and where '
       'they are of other letters parts of them are found slowly, misspelt ones not all, and similar ones '
       'are no duplicates; restore a dump into a database with ICU or the locale C.UTF-8',
       datctype
     )
     from pg_database
    where datname = current_database()
      and (lower('Ж') <> 'ж' or extensions.show_trgm('Ж') = '{}')`,

  `select 'this PostgreSQL has no ICU: case is folded by the C library, whose rules may change with the '
       'operating system; update crm.contacts and the like then, so that search knows the new ones'
     from pg_collation
    where oid = 'crm_private.folding'::regcollation and collprovider = 'c'`,
];

/** As {@link checks}, from PostgreSQL 15 on. */
export const checksFrom15: readonly string[] = [
  `select format(
       'the database''s collation was version %s and is %s now: '
       'reindex, then alter database … refresh collation version',
       datcollversion, pg_database_collation_actual_version(oid)
     )
     from pg_database
    where datname = current_database()
      and datcollversion <> pg_database_collation_actual_version(oid)`,
];

/**
 * What is known of each major release: the first minor one without the holes of May 2026, the newest one,
 * and the last day of corrections. Look it up with each release of pgcrm.
 */
const releases: Readonly<Record<number, { safe: number; newest: number; until: string }>> = {
  14: { safe: 23, newest: 25, until: "2026-11-12" },
  15: { safe: 18, newest: 20, until: "2027-11-11" },
  16: { safe: 14, newest: 16, until: "2028-11-09" },
  17: { safe: 10, newest: 12, until: "2029-11-08" },
  18: { safe: 4, newest: 6, until: "2030-11-14" },
};

/** The day on which the newest minor releases were those of {@link releases}. */
const knownOn = "2026-11-29";

/**
 * What is wrong with a version of PostgreSQL.
 *
 * @param version as the setting `server_version_num` has it, such as 180004.
 * @param today what day it is.
 * @see https://www.postgresql.org/support/versioning/
 */
export function versionFindings(version: number, today: Date): string[] {
  const [major, minor] = [Math.floor(version / 10_000), version % 10_000];
  const release = releases[major];
  if (release === undefined) {
    return major < 14 ? [`PostgreSQL ${major} is not supported; 14 or newer is`] : [];
  }
  const findings: string[] = [];
  if (minor < release.safe) {
    findings.push(
      `PostgreSQL ${major}.${minor} has known security holes; ${major}.${release.newest} has not`,
    );
  } else if (minor < release.newest) {
    findings.push(
      `PostgreSQL ${major}.${minor} is not the newest minor release: ` +
        `${major}.${release.newest} was, on ${knownOn}`,
    );
  }
  if (today.toISOString().slice(0, 10) > release.until) {
    findings.push(`PostgreSQL ${major} gets no more corrections since ${release.until}`);
  }
  return findings;
}

/** One object that `db/` makes. */
export interface Definition {
  readonly definition: string;
  /** What makes it anew as a dump would; null where a dump has it letter by letter. */
  readonly restore: string | null;
}

/** The objects that `db/` makes, each with its definition. */
export async function readDefinitions(client: pg.ClientBase): Promise<Map<string, Definition>> {
  const { rows } = await client.query<Definition & { name: string }>(
    `select 'function ' || oid::regproc as name, pg_get_functiondef(oid) as definition,
       null as restore
       from pg_proc
      where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
        and prokind in ('f', 'p')
     union all
     select 'view ' || oid::regclass, pg_get_viewdef(oid),
       format('create or replace view %s as %s', oid::regclass, pg_get_viewdef(oid))
       from pg_class
      where relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace, 'reporting'::regnamespace)
        and relkind = 'v'
     union all
     select format('trigger %s on %s', tgname, tgrelid::regclass), pg_get_triggerdef(trigger.oid),
       format(
         'drop trigger %I on %s; %s', tgname, tgrelid::regclass, pg_get_triggerdef(trigger.oid)
       )
       from pg_trigger as trigger
       join pg_class as class on class.oid = tgrelid
      where class.relnamespace = 'crm'::regnamespace and not tgisinternal
      order by name`,
  );
  return new Map(rows.map(({ name, ...definition }) => [name, definition]));
}
