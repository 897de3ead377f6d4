/*
 * Why: statistics of the journal's changes would keep values that were erased, and no plan needs them.
 * Locks: crm.audit_logs exclusively, for a moment.
 * Undone by: revert/000003.sql.
 */

do $statistics$
begin
  if exists (
    select from pg_attribute
    where attrelid = 'crm.audit_logs'::regclass
      and attname = 'changes'
      and attstattarget is distinct from 0
  ) then
    -- To the type that it has: takes no time, and away the statistics there are.
    alter table crm.audit_logs
      alter column changes type jsonb,
      alter column changes set statistics 0;
  end if;
end
$statistics$;
