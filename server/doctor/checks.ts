import type pg from "pg";

/** The rules of an installation: queries of the catalog that return a sentence for each violation. */
export const checks: readonly string[] = [
  // A database administrator can disable triggers, including those of foreign keys.
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
        (rolinherit and rolname = 'crm_server', 'inherits the rights of its roles')
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
   (select format('role %s is a member of %s, but should not be', member, role)
    from (table found except table expected) as more)
   union all
   (select format('role %s is not a member of %s', member, role)
    from (table expected except table found) as less)`,

  // The rights on the product's own schemas are checked in rights.ts.
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
       format('; npx pgcrm field index %s %s rebuilds it', field.entity_type, field.name), ''
     )
     from pg_index
     join pg_class as class on class.oid = indrelid
     join pg_class as index on index.oid = indexrelid
     left join crm.custom_field_definitions as field
       on crm_private.custom_field_index_name(field) = index.relname
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and not indisvalid`,

  // The index of a deleted definition stays if the trigger that drops it was disabled.
  `select format('index %s belongs to a custom field that no longer exists; drop it', oid::regclass)
     from pg_class
    where relnamespace = 'crm'::regnamespace
      and relkind = 'i'
      and relname ~ '_custom_[0-9a-f]{32}$'
      and not exists (
        select from crm.custom_field_definitions as field
        where crm_private.custom_field_index_name(field) = relname
      )`,

  // A server seals every few seconds. An open transaction delays this, but none should last an hour.
  `select format(
       'the audit log has not been sealed for %s minutes: check that a server, or pgcrm maintain, is '
       'running, and that no old transaction is open', (seconds / 60)::integer
     )
     from crm_private.unsealed_seconds() as seconds
    where seconds > 3600`,

  // Indexes that were built with an old version of a collation may be in the wrong order.
  `select format(
       'collation %s changed from version %s to %s: reindex, then run alter collation … refresh version',
       oid::regcollation, collversion, pg_collation_actual_version(oid)
     )
     from pg_collation as known
    where collversion <> pg_collation_actual_version(oid)
      and (
        exists (select from pg_attribute where attcollation = known.oid and attrelid >= 16384)
        or known.oid = 'crm_private.folding'::regcollation
      )`,

  // Trigrams, lower() and the order of sorting depend on the locale.
  `select format(
       'the locale of the database, %s, supports ASCII letters only: names are sorted by their bytes; for '
       'names with other letters, search by a part is slow, search misses some misspelt names, and similar '
       'names are not duplicates; restore a dump into a database with ICU or the locale C.UTF-8',
       datctype
     )
     from pg_database
    where datname = current_database()
      and (lower('Ж') <> 'ж' or extensions.show_trgm('Ж') = '{}')`,

  `select 'this PostgreSQL has no ICU, so the C library folds case, and its rules may change when the '
       'operating system is upgraded; after an upgrade, compute the stored search texts again'
     from pg_collation
    where oid = 'crm_private.folding'::regcollation and collprovider = 'c'`,
];

/** Further {@link checks}, for PostgreSQL 15 and newer. */
export const checksFrom15: readonly string[] = [
  `select format(
       'the collation of the database changed from version %s to %s: '
       'reindex, then run alter database … refresh collation version',
       datcollversion, pg_database_collation_actual_version(oid)
     )
     from pg_database
    where datname = current_database()
      and datcollversion <> pg_database_collation_actual_version(oid)`,
];

/**
 * For each major release: the first minor release without the vulnerabilities of May 2026, the newest
 * minor release, and the last day of support. To be updated with each release of pgcrm.
 */
const releases: Readonly<Record<number, { safe: number; newest: number; until: string }>> = {
  14: { safe: 23, newest: 25, until: "2026-11-12" },
  15: { safe: 18, newest: 20, until: "2027-11-11" },
  16: { safe: 14, newest: 16, until: "2028-11-09" },
  17: { safe: 10, newest: 12, until: "2029-11-08" },
  18: { safe: 4, newest: 6, until: "2030-11-14" },
};

/** The day on which {@link releases} was updated. */
const knownOn = "2026-11-29";

/**
 * Returns the findings about a version of PostgreSQL.
 *
 * @param version the value of `server_version_num`, such as 180004.
 * @param today the current day.
 * @see https://www.postgresql.org/support/versioning/
 */
export function versionFindings(version: number, today: Date): string[] {
  const [major, minor] = [Math.floor(version / 10_000), version % 10_000];
  const release = releases[major];
  if (release === undefined) {
    return major < 14 ? [`PostgreSQL ${major} is not supported; use 14 or newer`] : [];
  }
  const findings: string[] = [];
  if (minor < release.safe) {
    findings.push(
      `PostgreSQL ${major}.${minor} has known vulnerabilities; upgrade to ${major}.${release.newest}`,
    );
  } else if (minor < release.newest) {
    findings.push(
      `PostgreSQL ${major}.${minor} is not the newest minor release; ` +
        `${major}.${release.newest} was, on ${knownOn}`,
    );
  }
  if (today.toISOString().slice(0, 10) > release.until) {
    findings.push(`PostgreSQL ${major} has been out of support since ${release.until}`);
  }
  return findings;
}

/** An object that `db/` creates. */
export interface Definition {
  readonly definition: string;
  /** The statements that recreate it as a restored dump does; null if a dump reproduces it exactly. */
  readonly restore: string | null;
}

/** Returns the definitions of the objects that `db/` creates, by kind and name. */
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
