/*
 * Refuses a row, given as jsonb, with all its faults at once: the detail is an object of messages by
 * field, in the client's words. Called by the trigger that validates, for faulty rows only.
 *
 * A function that writes several rows of one input says in crm.path where in it a row stands:
 * tasks.1 makes tasks.1.description of description.
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
  v_table      text := (select relname::text from pg_class where oid = p_table);
  v_path       text := coalesce(nullif(current_setting('crm.path', true), '') || '.', '');
  v_fields     jsonb;
  v_summary    text;
  v_constraint text;
  v_column     text;
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

  select
    jsonb_object_agg(v_path || fault.field, fault.messages),
    string_agg(
      v_path || fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal
    ),
    (array_agg(fault.constraint_name order by fault.ordinal))[1],
    (array_agg(fault.column_name order by fault.ordinal))[1]
  into v_fields, v_summary, v_constraint, v_column
  from (
    select
      field,
      jsonb_agg(message order by ordinal)               as messages,
      min(ordinal)                                      as ordinal,
      (array_agg(constraint_name order by ordinal))[1]  as constraint_name,
      (array_agg(column_name order by ordinal))[1]      as column_name
    from crm_private.row_faults(p_table, array[p_row]) with ordinality as listed (
      place, field, message, constraint_name, column_name, kind, ordinal
    )
    group by field
  ) as fault;

  -- What is compiled is right. It may be younger than the snapshot of this transaction, which then
  -- has to begin again; or bind_rules was forgotten.
  if v_fields is null and current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of % changed since this transaction began', p_table
      using errcode = 'serialization_failure';
  elsif v_fields is null then
    raise exception 'crm_private.bind_rules was not called after a rule of % changed', p_table
      using errcode = 'internal_error';
  end if;

  raise exception '%: %', v_table, v_summary
    using errcode    = 'check_violation',
          schema     = 'crm', table = v_table, column = v_column,
          constraint = v_constraint,
          detail     = v_fields::text;
end
$$;

comment on function crm_private.refuse_row(regclass, jsonb) is
  'Refuses a row that breaks a rule, with all its faults; of many rows, notes the faulty ones.';

revoke all on function crm_private.refuse_row(regclass, jsonb) from public;
grant execute on function crm_private.refuse_row(regclass, jsonb) to crm_member;
