import { expect, test } from "@jest/globals";

import { withRollback } from "../../helpers/database.ts";

/** Rules of the schema, each a query over the catalog that returns what breaks it. */
const rules: Record<string, string> = {
  "every table has row-level security": `
    select oid::regclass::text
    from pg_class
    where relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and relkind in ('r', 'p')
      and not relrowsecurity`,

  "every table of the API has a policy": `
    select class.oid::regclass::text
    from pg_class as class
    where class.relnamespace = 'crm'::regnamespace
      and class.relkind in ('r', 'p')
      and not exists (select from pg_policy where polrelid = class.oid)`,

  "no role has two policies for one thing, each of which is asked": `
    select polrelid::regclass || ' ' || polcmd::text
    from pg_policy
    cross join unnest(polroles) as role
    where polpermissive
    group by polrelid, polcmd, role
    having count(*) > 1`,

  "no policy asks for every row who is asking": `
    select polrelid::regclass || '.' || polname
    from pg_policy
    where regexp_replace(
        lower(concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))),
        '\\( select \\S+\\([^()]*\\) as \\w+\\)', '', 'g'
      ) ~ 'current_setting|current_user|session_user|pg_has_role'`,

  "no view of the API reads with its owner's rights": `
    select class.oid::regclass::text
    from pg_class as class
    where class.relnamespace = 'crm'::regnamespace
      and (
        class.relkind in ('m', 'f')
        or class.relkind = 'v'
          and current_setting('server_version_num')::integer >= 150000
          and not coalesce(class.reloptions::text ~ 'security_invoker=(true|on)', false)
      )`,

  "every table has a primary key": `
    select class.oid::regclass::text
    from pg_class as class
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and class.relkind in ('r', 'p')
      and not exists (select from pg_index where indrelid = class.oid and indisprimary)`,

  "no function is in the way of an alter table: bodies are texts, or use no table's type": `
    select proc.oid::regprocedure::text
    from pg_proc as proc
    where proc.pronamespace in (
        'crm'::regnamespace, 'crm_private'::regnamespace, 'crm_custom'::regnamespace
      )
      and proc.prosqlbody is not null
      and exists (
        select from pg_depend as used
        left join pg_type as type
          on used.refclassid = 'pg_type'::regclass and type.oid = used.refobjid
        where used.classid = 'pg_proc'::regclass
          and used.objid = proc.oid
          and (used.refclassid = 'pg_class'::regclass or type.typrelid <> 0)
      )`,

  "no function is in the way of an alter table: defaults use no table's type": `
    select proc.oid::regprocedure::text
    from pg_proc as proc
    where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and exists (
        select
        from pg_class as class
        join pg_type as type on type.oid = class.reltype
        where class.relkind in ('r', 'p', 'v')
          and proc.proargdefaults::text ~ format('type (%s|%s)\\M', type.oid, type.typarray)
      )`,

  "every foreign key is the beginning of an index": `
    select con.conname
    from pg_constraint as con
    where con.contype = 'f'
      and con.connamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and not exists (
        select from pg_index as index
        where index.indrelid = con.conrelid
          and (index.indkey::smallint[])[0:cardinality(con.conkey) - 1] @> con.conkey
      )`,

  "no index is there twice, and none is the beginning of another": `
    with listed as (
      select indrelid, indexrelid, indisunique,
        regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', '') as columns
      from pg_index
    )
    select index.indexrelid::regclass || ' ' || other.indexrelid::regclass
    from listed as index
    join listed as other using (indrelid)
    where other.indexrelid <> index.indexrelid
      and not index.indisunique
      and (
        other.columns = index.columns
        or starts_with(other.columns, regexp_replace(index.columns, '\\)$', ','))
      )`,

  "no extension is in a schema of the product or in public": `
    select extname || ' ' || extnamespace::regnamespace
    from pg_extension
    where extnamespace::regnamespace::text = any (array['public', 'crm', 'crm_private', 'reporting'])`,

  "no column is of a type that names an object by its number, which an upgrade changes": `
    select attrelid::regclass || '.' || attname
    from pg_attribute
    join pg_class as class on class.oid = attrelid
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and class.relkind in ('r', 'p')
      and atttypid::regtype::text ~ '^reg(?!type$|class$|role$)'`,

  "every constraint is named <table>_<column or pkey>_<rule>": `
    select con.conname
    from pg_constraint as con
    join pg_class as class on class.oid = con.conrelid
    where con.connamespace = 'crm'::regnamespace
      and con.contype <> 'n'
      and con.conname <> class.relname || '_pkey'
      and not exists (
        select from pg_attribute as attribute
        where attribute.attrelid = con.conrelid
          and attribute.attnum = any (con.conkey)
          and con.conname like class.relname || '\\_' || attribute.attname || '\\_%'
      )`,

  "every rule that a client can break has a message": `
    select con.conname
    from pg_constraint as con
    where con.connamespace = 'crm'::regnamespace
      and con.contype in ('c', 'f', 'u')
      and obj_description(con.oid, 'pg_constraint') is null`,

  "every exposed table, column, function and type is documented": `
    select class.oid::regclass::text
    from pg_class as class
    where class.relnamespace in ('crm'::regnamespace, 'reporting'::regnamespace)
      and class.relkind in ('r', 'p', 'v')
      and obj_description(class.oid, 'pg_class') is null
    union all
    select attribute.attrelid::regclass || '.' || attribute.attname
    from pg_attribute as attribute
    join pg_class as class on class.oid = attribute.attrelid
    where class.relnamespace in ('crm'::regnamespace, 'reporting'::regnamespace)
      and class.relkind in ('r', 'p', 'v', 'c')
      and attribute.attnum > 0
      and col_description(class.oid, attribute.attnum) is null
    union all
    select proc.oid::regprocedure::text
    from pg_proc as proc
    where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and obj_description(proc.oid, 'pg_proc') is null
    union all
    select type.oid::regtype::text
    from pg_type as type
    join pg_class as class on class.oid = type.typrelid
    where class.relnamespace = 'crm'::regnamespace
      and class.relkind = 'c'
      and obj_description(type.oid, 'pg_type') is null`,

  "no function is executable by everyone": `
    select proc.oid::regprocedure::text
    from pg_proc as proc
    where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and (proc.proacl is null or exists (
        select from aclexplode(proc.proacl) as acl where acl.grantee = 0
      ))`,

  "every function has a fixed search_path, temporary objects last": `
    select proc.oid::regprocedure::text
    from pg_proc as proc
    where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      -- The names in a bound body were resolved when it was created.
      and proc.prosqlbody is null
      and proc.prokind <> 'a' -- an aggregate has none; its transition has
      and not coalesce(proc.proconfig @> array['search_path=pg_catalog, pg_temp'], false)`,

  "no function of the API has the rights of the owner": `
    select oid::regprocedure::text
    from pg_proc
    where pronamespace = 'crm'::regnamespace and prosecdef`,

  "no policy lets everybody write without asking": `
    select polrelid::regclass || ' ' || polname
    from pg_policy
    where polcmd <> 'r'
      and 'true' in (pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))`,

  "security definer is for what changes or reads beyond the caller's rights": `
    select proc.oid::regprocedure::text
    from pg_proc as proc
    where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and proc.prosecdef
      and proc.proname <> all (
        array[
          'refuse_row', 'definitions_changed', 'applied_migrations',
          'create_api_key', 'revoke_api_key', 'authenticate_api_key',
          'undo_field', 'undo_entry', 'undo_transaction', 'restore_deleted', 'pipeline_as_of',
          'deals_as_of', 'time_zone', 'set_time_zone',
          'seal_audit_log', 'maintain_audit_log', 'audit_log_digest', 'verify_audit_log',
          'audit_log_kept_since', 'trash_retention_days', 'set_trash_retention', 'purge_trash',
          'erase_contact', 'check_custom_field_rule', 'rename_custom_field_value',
          'claim_idempotency_key', 'save_response', 'expire_idempotency_keys', 'base_currency',
          'set_base_currency', 'refuse_base_rate', 'index_custom_field', 'unindex_custom_field',
          'keep_external_ids', 'collect_faults', 'broken_reference', 'fields_of_violation',
          'key_is_valid', 'default_country', 'set_default_country', 'record_merge', 'end_merges',
          'merged_into', 'merged_ids', 'compile_custom_fields',
          'unsealed_seconds', 'compile_rules', 'compile_copy_view',
          'former_field_retention_days', 'set_former_field_retention', 'expire_former_fields'
        ]
      )
      and proc.proname not like '%\\_audit_log'`,

  "no view depends on columns that the catalog has in one version only": `
    select class.oid::regclass::text
    from pg_class as class
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and class.relkind = 'v'
      and pg_get_viewdef(class.oid) ~ 'attcacheoff|attstattarget|attmissingval'`,

  "no column is called like what an audit log entry says of itself": `
    select attrelid::regclass || '.' || attname
    from pg_attribute
    where attname like '@%'`,

  "what goes with a deleted row is what the foreign keys say": `
    select con.conname
    from pg_constraint as con
    join pg_attribute as attribute
      on attribute.attrelid = con.conrelid and attribute.attnum = con.conkey[1]
    join crm_private.entity_types on entity_table = con.conrelid
    cross join lateral (
      select
        case attribute.attgenerated when '' then attribute.attname else 'entity_id' end as name,
        '5d3c3a3e-4f1c-4c7e-9a43-2f4a3d0c5f10'::uuid as value
    ) as link
    where con.contype = 'f'
      and con.confdeltype in ('c', 'n')
      and link.value is distinct from case con.confdeltype
        when 'c'
        then crm_private.cascade_parent(entity_type, jsonb_build_object(link.name, link.value))
        else crm_private.cleared_reference(
          entity_type,
          jsonb_build_object(link.name, jsonb_build_object('old', link.value, 'new', null))
        )
      end`,

  "what a deal or a task can be created with, crm.create_deal_with_tasks takes": `
    select class.relname || '.' || name
    from (
      values ('new_deal', 'crm.deals'::regclass), ('new_task', 'crm.tasks'::regclass)
    ) as taken (type, entity_table)
    join pg_class as class on class.relname = taken.type
    cross join unnest(crm_private.written_columns(taken.entity_table, 'insert')) as name
    where (taken.type, name) not in (('new_task', 'entity_type'), ('new_task', 'entity_id'))
      and not exists (
        select from pg_attribute
        where attrelid = class.oid and attname = name and not attisdropped
      )`,

  "no function of the API is overloaded": `
    select proname::text
    from pg_proc
    where pronamespace = 'crm'::regnamespace
    group by proname
    having count(*) > 1`,

  "every trigger is enabled": `
    select tgrelid::regclass || '.' || tgname
    from pg_trigger
    where tgenabled not in ('O', 'A')`,

  "every table of entities has the triggers of every phase": `
    select class.relname || ' ' || phase
    from pg_class as class
    cross join unnest(array[
      '_110_stamp_insert', '_110_stamp_update', '_200_validate', '_900_audit_log_insert',
      '_900_audit_log_update', '_900_audit_log_delete', '_900_refuse_truncate'
    ]) as phase
    where class.relnamespace = 'crm'::regnamespace
      and class.relkind = 'r'
      and not exists (
        select from pg_trigger where tgrelid = class.oid and tgname = phase
      )`,

  "every table of the API is in the catalogue of entities, and has the columns that it promises": `
    select class.relname || ' ' || coalesce(promised, 'is not there')
    from pg_class as class
    left join crm_private.entity_types as type on type.entity_table = class.oid
    left join lateral (
      select unnest(
        type.label_columns
        || case when type.is_record then '{external_ids}'::name[] end
        || case when type.has_custom_fields then '{custom_fields}'::name[] end
      ) as promised
    ) as columns on true
    where class.relnamespace = 'crm'::regnamespace
      and class.relkind = 'r'
      and not exists (
        select from pg_attribute where attrelid = class.oid and attname = promised
      )`,

  "every table that search finds has the indexes that it reads": `
    select entity_table::text || ' ' || needed.definition
    from crm_private.searched_types
    cross join lateral unnest(array[
      'gin (search_document)',
      case searched_by when 'name' then 'gin (' || words || ' extensions.gin_trgm_ops)' end
    ]) as needed (definition)
    where needed.definition is not null
      and not exists (
        select from pg_index
        where indrelid = entity_table
          and strpos(
            regexp_replace(lower(pg_get_indexdef(indexrelid)), '[()]|::text', '', 'g'),
            regexp_replace(lower(needed.definition), '[()]|::text', '', 'g')
          ) > 0
      )`,

  "every table of the API refuses to be emptied at once, by its owner too": `
    select class.relname::text
    from pg_class as class
    where class.relnamespace = 'crm'::regnamespace
      and class.relkind in ('r', 'p')
      and not class.relispartition
      and not exists (
        select from pg_trigger where tgrelid = class.oid and tgname = '_900_refuse_truncate'
      )`,

  "every table with external ids, or custom fields, has the triggers that see to them": `
    select class.relname || ' ' || needed.trigger
    from pg_class as class
    cross join (values
      ('external_ids', '_300_external_ids_insert'),
      ('external_ids', '_300_external_ids_update'),
      ('external_ids', '_300_external_ids_delete'),
      ('custom_fields', '_100_default_custom_fields'),
      ('custom_fields', '_100_normalise_custom_fields')
    ) as needed ("column", trigger)
    join pg_attribute as attribute
      on attribute.attrelid = class.oid and attribute.attname = needed."column"
    where class.relnamespace = 'crm'::regnamespace
      and class.relkind = 'r'
      and not exists (
        select from pg_trigger where tgrelid = class.oid and tgname = needed.trigger
      )`,

  "what a role has the right to do with a table, a policy lets it do": `
    select role.rolname || ' ' || command.name || ' ' || class.oid::regclass
    from pg_class as class
    cross join pg_roles as role
    cross join (values ('select', 'r'), ('insert', 'a'), ('update', 'w'), ('delete', 'd'))
      as command (name, code)
    where class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and class.relkind in ('r', 'p')
      and class.relrowsecurity
      and role.rolname in ('crm_reader', 'crm_member', 'crm_admin')
      and (
        has_table_privilege(role.oid, class.oid, command.name)
        or command.name <> 'delete'
          and has_any_column_privilege(role.oid, class.oid, command.name)
      )
      and not exists (
        select from pg_policy
        cross join unnest(polroles) as grantee
        where polrelid = class.oid and polcmd in (command.code::"char", '*')
          and (grantee = 0 or pg_has_role(role.oid, grantee, 'usage'))
      )`,

  "no role of the product is superuser, bypasses policies, creates or replicates": `
    select rolname::text
    from pg_roles
    where rolname like 'crm\\_%'
      and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`,

  "no role of the product can create in a schema": `
    select role.rolname || ' ' || namespace.nspname
    from pg_roles as role
    cross join pg_namespace as namespace
    where role.rolname like 'crm\\_%'
      and namespace.nspname in ('crm', 'crm_private', 'reporting')
      and has_schema_privilege(role.oid, namespace.oid, 'create')`,

  "no role of the product may truncate a table or put triggers on it": `
    select role.rolname || ' ' || class.relname
    from pg_roles as role
    cross join pg_class as class
    where role.rolname like 'crm\\_%'
      and class.relnamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and class.relkind in ('r', 'p')
      and has_table_privilege(role.oid, class.oid, 'truncate, trigger, references')`,
};

test.each(Object.entries(rules))("%s", (_, query) =>
  withRollback(async (client) => {
    const { rows } = await client.query({ text: query, rowMode: "array" });
    expect(rows.flat()).toEqual([]);
  }),
);

test("what is compiled from the tables is current", () =>
  withRollback(async (client) => {
    const compiled = async (): Promise<unknown[]> =>
      (
        await client.query<{ name: string; definition: string }>(
          `select proc.oid::regprocedure::text as name, pg_get_functiondef(proc.oid) as definition
           from pg_proc as proc
           where proc.pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
             and proc.proname ~ ('_(hold|validate|audit_log|stamp|history|history_is_complete|as_of|by_external_ids?|merged_into)$'
               '|^(is_there|is_mergeable|is_reversible|deleted_label|cascade_parent|cleared_reference|takes_others)$'
               '|^search(_candidates|_parts|_body)?$')
           union all
           select tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
           from pg_trigger
           where tgname ~ '_100_normalise_custom|_200_validate|_300_|_900_'
           order by 1`,
        )
      ).rows;
    const before = await compiled();
    await client.query(
      `select crm_private.compile_entity_lookups();
       select crm_private.compile_custom_fields(entity_type), crm_private.compile_custom_field_trigger(entity_table)
       from crm_private.entity_types
       where has_custom_fields;
       select crm_private.compile_external_ids(entity_table, entity_type)
       from crm_private.entity_types
       where is_record;
       select crm_private.compile_merges(entity_table, entity_type) from crm_private.entity_types where is_mergeable;
       select crm_private.compile_search()`,
    );
    await client.query(
      `select crm_private.compile_stamps(entity_table, entity_type),
         crm_private.compile_rules(entity_table),
         crm_private.compile_audit_log(entity_table, entity_type),
         crm_private.compile_history(entity_type)
       from crm_private.entity_types`,
    );
    expect(await compiled()).toEqual(before);
  }));
