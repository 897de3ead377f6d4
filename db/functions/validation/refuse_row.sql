/*
 * Refuses an invalid row, given as jsonb, like crm_private.refuse_faults. Called by the trigger
 * that validates, for invalid rows only.
 *
 * If many rows are written at once, crm_private.write_rows sets crm.bulk. The row is then recorded
 * with its place, which is in crm.bulk_row, and the trigger skips it. This applies only to rows of
 * its own statements: invalid rows in their cascades are refused. An invalid row is never written.
 *
 * Security definer: it reads rules, definitions and referenced rows regardless of policies, and
 * records rows in a table that no one else writes.
 */
create or replace function crm_private.refuse_row(p_table regclass, p_row jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table text := (select relname::text from pg_class where oid = p_table);
begin
  -- Called directly, it would reveal which ids exist, even of rows that policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row can only be called by triggers'
      using errcode    = 'insufficient_privilege',
            schema     = 'crm_private',
            constraint = 'refuse_row_trigger',
            hint       = 'Write the row instead: its trigger reports the faults.';
  end if;

  if current_setting('crm.bulk', true) = v_table || ' ' || pg_trigger_depth() then
    insert into crm_private.faulty_rows (transaction_id, place, item)
    values (
      pg_current_xact_id()::text::bigint,
      nullif(current_setting('crm.bulk_row', true), '')::integer,
      p_row
    );
    return;
  end if;

  perform crm_private.refuse_faults(p_table, p_row);

  -- The compiled rules refuse a row that the rules of the catalog accept. Either they are younger
  -- than the snapshot of this transaction, which must be repeated, or compile_rules was forgotten.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode    = 'serialization_failure',
            schema     = 'crm', table = v_table,
            constraint = v_table || '_rules_current',
            hint       = 'Repeat the transaction.';
  else
    raise exception 'crm_private.compile_rules was not called after a rule of % changed', p_table
      using errcode    = 'internal_error',
            schema     = 'crm', table = v_table,
            constraint = v_table || '_rules_compiled',
            hint       = format('As the owner, run select crm_private.compile_rules(%L).', p_table);
  end if;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Raises for an invalid row, with all its faults; in a bulk write, records the row instead.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
