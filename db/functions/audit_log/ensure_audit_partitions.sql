/*
 * Creates the audit log's partitions for this month and the months after it. Called by the
 * migration, at each start of the server or of a migration, and every hour by the server, so that a
 * partition exists long before its month. Entries of a month without a partition are in the default
 * partition; they move to the new partition of their month.
 */
create or replace function crm_private.ensure_audit_partitions(p_months integer default 12)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from timestamptz;
  v_to   timestamptz;
  v_name text;
begin
  -- Servers that start at the same time do this one after the other.
  perform crm_private.lock_seals();

  for v_from in
    select month at time zone 'UTC'
    from (
      select generate_series(
        date_trunc('month', now() at time zone 'UTC'),
        date_trunc('month', now() at time zone 'UTC') + make_interval(months => p_months),
        interval '1 month'
      )
      union
      select date_trunc('month', "timestamp" at time zone 'UTC') from crm_private.audit_logs_other
    ) as needed (month)
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
    execute format('alter table crm_private.%I alter column changes set statistics 0', v_name);
    execute format(
      'create trigger _900_refuse_truncate before truncate on crm_private.%I '
      'for each statement execute function crm_private.refuse_truncate()',
      v_name
    );
    execute format(
      'comment on table crm_private.%I is %L',
      v_name, 'Audit log entries of one month.'
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
  'Creates the partitions of the audit log for this month and a number of months after it.';

revoke all on function crm_private.ensure_audit_partitions(integer) from public;
