/*
 * Forgets a person: deletes the contact, if it is still there, with its tasks and notes, and takes the
 * values out of every entry of theirs, months included that were detached from the journal and are
 * still in the database. Gives the entry that records it. Refuses an id that no contact ever had.
 *
 * Tasks and notes of the contact are those that hang on it, or did when they were deleted. Those
 * that were moved to another entity belong to that one.
 *
 * Writers of contacts, tasks and notes wait until the transaction ends: what they are about to commit
 * would be missed. Nothing is sealed meanwhile.
 *
 * Security definer: nobody but the owner of the journal may change it.
 */
create or replace function crm_private.erase_contact(id uuid)
returns crm.audit_logs
language plpgsql
volatile
strict
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_id      uuid   := erase_contact.id;
  v_ids     uuid[] := array[erase_contact.id];
  v_more    uuid[];
  v_table   regclass;
  v_entries crm.audit_logs[];
  v_erased  crm.audit_logs[] := '{}'::crm.audit_logs[];
  v_erasure crm.audit_logs;
  v_existed boolean;
  v_at      timestamptz;
begin
  perform crm_private.caller_holds();

  perform crm_private.refuse_old_snapshot('erase_contact');
  lock table crm.contacts, crm.tasks, crm.notes in share row exclusive mode;
  perform pg_advisory_xact_lock(hashtext('crm_private.seal_journal'));

  v_ids := v_ids
    || array(select id from crm.tasks where contact_id = v_id)
    || array(select id from crm.notes where contact_id = v_id);

  for v_table in select * from crm_private.journal_tables()
  loop
    execute format(
      $find$
        select array_agg(entity_id)
        from (
          select distinct on (entity_id)
            entity_id, crm_private.attached_to(action, changes) as attached_to
          from %1$s
          where entity_type = any (array['task', 'note'])
            and changes ? 'entity_id'
            and crm_private.attached_to(action, changes) is not null
            and entity_id in (
              select entity_id
              from %1$s
              where entity_type = any (array['task', 'note'])
                and changes ? 'entity_id'
                and crm_private.attached_to(action, changes) = $1::text
            )
          order by entity_id, id desc
        ) as last
        where attached_to = $1::text
      $find$,
      v_table
    ) into v_more using v_id;
    v_ids := v_ids || v_more;
  end loop;

  delete from crm.contacts where id = v_id;
  v_existed := found;
  v_at      := clock_timestamp();

  for v_table in select * from crm_private.journal_tables()
  loop
    execute format(
      $find$
        select array_agg(row(
          id, entity_type, entity_id, action, user_id, changes, "timestamp", transaction_id,
          source, erased_at
        )::crm.audit_logs)
        from (
          select *
          from %s
          where entity_id = any ($1) and erased_at is null and action <> 'erase'
          for update
        ) as entry
      $find$,
      v_table
    ) into v_entries using v_ids;
    perform crm_private.scrub_entries(v_table, v_entries, v_at);
    v_erased := v_erased || v_entries;
  end loop;

  if not v_existed and cardinality(v_erased) = 0 then
    select * into v_erasure
    from crm.audit_logs
    where entity_id = v_id and entity_type = 'contact' and action = 'erase'
    order by id desc
    limit 1;
    if found then
      return v_erasure; -- asked twice
    end if;

    perform crm_private.refuse_missing('contact', v_id::text);
  end if;

  perform crm_private.journal_event(entity_type, 'erase', '{}', v_at, entity_id)
  from (
    select distinct entity_type, entity_id
    from unnest(v_erased)
    where entity_id <> v_id
  ) as attached;
  v_erasure := crm_private.journal_event('contact', 'erase', '{}', v_at, v_id);

  perform crm_private.refresh_statistics(table_oid)
  from unnest('{crm.contacts,crm.tasks,crm.notes,crm_private.external_ids}'::regclass[]) as table_oid;

  return v_erasure;
end
$$;

comment on function crm_private.erase_contact(uuid) is
  'What crm.erase_contact calls, with the rights of the owner.';

revoke all on function crm_private.erase_contact(uuid) from public;
grant execute on function crm_private.erase_contact(uuid) to crm_admin;

create or replace function crm.erase_contact(id uuid)
returns crm.audit_logs
language sql
volatile
strict
set search_path = pg_catalog, pg_temp
as $$
  select crm_private.erase_contact(id);
$$;

comment on function crm.erase_contact(uuid) is
  'Forgets a person, for good: deletes the contact with its tasks and notes, if it is still there, '
  'and takes their values out of the journal and the trash. Who did what to them, and when, '
  'stays. Gives the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;
