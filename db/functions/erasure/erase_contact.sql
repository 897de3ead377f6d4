/*
 * Erases a person. Deletes the contact, if it still exists, with its tasks and notes, and removes
 * the values from every audit log entry of theirs and of every contact that was merged into it.
 * This includes months that were detached from the audit log and are still in the database. Deletes
 * stored responses of repeated mutations that may contain values of the person. Returns the entry
 * that records the erasure. Raises if no contact ever had this id.
 *
 * The id of a merged contact stands for its merge winner: they are one person. After a merge that
 * was undone they are two: entries of the former winner lose their values if they were written
 * while the merge lasted.
 *
 * The tasks and notes of a contact are those that are attached to it, or were when they were
 * deleted. Those that were moved to another entity belong to that entity.
 *
 * Security definer: only the owner of the audit log may change it.
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
  v_id      uuid := erase_contact.id;
  v_persons uuid[];
  v_ids     uuid[];
  v_more    uuid[];
  v_table   regclass;
  v_entries crm.audit_logs[];
  v_erased  crm.audit_logs[] := '{}'::crm.audit_logs[];
  v_erasure crm.audit_logs;
  v_existed boolean;
  v_at      timestamptz;
begin
  perform crm_private.caller_is_authenticated();

  perform crm_private.refuse_old_snapshot('erase_contact');
  v_persons := crm_private.lock_person(v_id);
  -- Committed rows in this table were left by a session that claimed to be a bulk write.
  delete from crm_private.faulty_rows;

  v_ids := v_persons
    || array(select id from crm.tasks where contact_id = any (v_persons))
    || array(select id from crm.notes where contact_id = any (v_persons));

  for v_table in select * from crm_private.audit_log_tables()
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
                and crm_private.attached_to(action, changes) = any ($1)
            )
          order by entity_id, id desc
        ) as last
        where attached_to = any ($1)
      $find$,
      v_table
    ) into v_more using v_persons::text[];
    v_ids := v_ids || v_more;
  end loop;

  delete from crm.contacts where id = any (v_persons);
  v_existed := found;
  v_at      := clock_timestamp();

  for v_table in select * from crm_private.audit_log_tables()
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
    v_entries := coalesce(v_entries, '{}')
      || array(
        select mixed::crm.audit_logs
        from crm_private.merged_person_entries(v_table, v_persons) as mixed
      );
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
      return v_erasure; -- a repeated call
    end if;

    perform crm_private.refuse_missing('contact', v_id::text);
  end if;

  perform crm_private.log_event(entity_type, 'erase', '{}', v_at, entity_id)
  from (
    select distinct entity_type, entity_id
    from unnest(v_erased)
    where entity_id <> v_id
  ) as attached;
  v_erasure := crm_private.log_event('contact', 'erase', '{}', v_at, v_id);

  perform crm_private.drop_responses(v_ids || array(select entity_id from unnest(v_erased)));

  perform crm_private.refresh_statistics(table_oid)
  from unnest('{crm.contacts,crm.tasks,crm.notes,crm_private.external_ids}'::regclass[]) as table_oid;

  return v_erasure;
end
$$;

comment on function crm_private.erase_contact(uuid) is
  'Implements crm.erase_contact with the rights of the owner.';

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
  'Erases a person permanently, for example at their request. Deletes the contact, if it still '
  'exists, with its tasks and notes, and removes its values from the audit log, the trash and the '
  'stored responses of repeated mutations. A contact that was merged into it is the same person, '
  'and so is the one that it was merged into. The audit log still shows who changed the data of '
  'the person, and when. Returns the entry that records the erasure. For administrators.';

revoke all on function crm.erase_contact(uuid) from public;
grant execute on function crm.erase_contact(uuid) to crm_admin;
