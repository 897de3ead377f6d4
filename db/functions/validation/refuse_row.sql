/*
 * Refuses a row, given as jsonb, as crm_private.refuse_faults does. Called by the trigger that
 * validates, for faulty rows only.
 *
 * Where many rows are written at once, crm_private.write_rows says so in crm.bulk, and the row is
 * noted, with its place in crm.bulk_row, and left out by the trigger. That holds for rows of its own
 * statements only: what these cascade to is refused. In no case is a faulty row written.
 *
 * Security definer, because it reads the catalog's rules, definitions and referenced rows whatever
 * policies hide of them, and notes rows where nobody else writes.
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
  -- Asked by itself, it would tell which ids exist, whatever policies hide.
  if pg_trigger_depth() = 0 then
    raise exception 'crm_private.refuse_row is for triggers'
      using errcode = 'insufficient_privilege';
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

  -- What is compiled is right. It may be younger than the snapshot of this transaction, which then
  -- has to begin again; or compile_rules was forgotten.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode = 'serialization_failure';
  else
    raise exception 'crm_private.compile_rules was not called after a rule of % changed', p_table
      using errcode = 'internal_error';
  end if;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults; of many rows, notes the faulty ones.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
