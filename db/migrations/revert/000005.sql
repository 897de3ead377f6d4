/*
 * Undoes the seals, the erasure and the months of the journal. What was erased, purged or archived stays
 * so, and so do the entries that say it.
 */

drop function crm.contacts_history_is_complete(crm.contacts);
drop function crm.companies_history_is_complete(crm.companies);
drop function crm.deals_history_is_complete(crm.deals);
drop function crm.tasks_history_is_complete(crm.tasks);
drop function crm.notes_history_is_complete(crm.notes);
drop function crm.custom_field_definitions_history_is_complete(crm.custom_field_definitions);
drop function crm.pipeline_stages_history_is_complete(crm.pipeline_stages);

drop function crm_private.maintain_journal();
drop function crm_private.archive_journal(timestamptz);

/*
 * Makes the journal's partitions for this month and the months after it. Called by the migration
 * and whenever the server or a migration starts, so that a partition stands long before its month.
 * Entries of a month that had none are in the default partition; they move to the new one.
 */
create or replace function crm_private.ensure_audit_partitions(p_months integer default 12)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_from timestamptz;
  v_to   timestamptz;
  v_name text;
begin
  -- Servers that start together do this one after the other.
  perform pg_advisory_xact_lock(hashtext('crm_private.ensure_audit_partitions'));

  for v_from in
    select month at time zone 'UTC'
    from generate_series(
      date_trunc('month', now() at time zone 'UTC'),
      date_trunc('month', now() at time zone 'UTC') + make_interval(months => p_months),
      interval '1 month'
    ) as month
    where to_regclass('crm_private.audit_logs_' || to_char(month, 'YYYY_MM')) is null
    order by month
  loop
    v_to   := (v_from at time zone 'UTC' + interval '1 month') at time zone 'UTC';
    v_name := 'audit_logs_' || to_char(v_from at time zone 'UTC', 'YYYY_MM');

    execute format(
      'create table crm_private.%I (like crm.audit_logs including defaults including constraints)',
      v_name
    );
    execute format('alter table crm_private.%I enable row level security', v_name);
    execute format(
      'create trigger _900_refuse_truncate before truncate on crm_private.%I '
      'for each statement execute function crm_private.refuse_truncate()',
      v_name
    );
    execute format(
      'comment on table crm_private.%I is %L',
      v_name, 'Entries of the journal of one month.'
    );
    execute format(
      'with moved as (
         delete from crm_private.audit_logs_other
         where "timestamp" >= $1 and "timestamp" < $2
         returning *
       )
       insert into crm_private.%I select * from moved',
      v_name
    ) using v_from, v_to;
    execute format(
      'alter table crm.audit_logs attach partition crm_private.%I for values from (%L) to (%L)',
      v_name, v_from, v_to
    );
  end loop;
end
$$;

comment on function crm_private.ensure_audit_partitions(integer) is
  'Makes the partitions of the journal for this month and the given number of months after it.';

revoke all on function crm_private.ensure_audit_partitions(integer) from public;

drop function crm.erase_contact(uuid);
drop function crm_private.refresh_statistics(regclass);
drop function crm.purge_trash(interval);
drop function crm.set_trash_retention(integer);
drop function crm.trash_retention_days();
drop function crm_private.purge_deletions(timestamptz, bigint);
drop function crm_private.refuse_old_snapshot(text);
drop function crm_private.scrub_entries(regclass, crm.audit_logs[], timestamptz);
drop function crm_private.journal_tables();
drop function crm_private.journal_event(text, text, jsonb, timestamptz, uuid);

drop index crm.audit_logs_attached_to;
drop index crm.audit_logs_restorable;
drop function crm_private.attached_to(text, jsonb);
drop table crm_private.settings;

alter table crm.audit_logs alter column changes set statistics -1;

comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition or '
  'pipeline_stage.';
comment on column crm.audit_logs.action is
  'create, update or delete.';
comment on column crm.audit_logs.changes is
  'What changed. For an update a member for each column, or custom field (custom_fields.<name>), '
  'with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a '
  'create the values of the new row, for a delete the whole old row.';

drop function crm.verify_journal(text);
drop function crm.journal_digest();
drop function crm_private.check_journal(text);
drop function crm_private.compare_entries(bigint, bigint);
drop function crm_private.broken_block(text);
drop function crm.journal_kept_since();
drop function crm_private.archived_entries();
drop function crm_private.last_digest();
drop function crm_private.seal_journal(bigint);
drop function crm_private.block_hash(bytea, bigint, timestamptz, bigint[], bytea[]);
drop function crm_private.entry_digest(
  bigint, text, uuid, text, text, timestamptz, bigint, text, bytea
);
drop function crm_private.payload_digest(bytea, jsonb);
drop type crm.journal_verdict;

drop index crm.audit_logs_id;
drop table crm_private.journal_progress;
drop table crm_private.journal_blocks;
