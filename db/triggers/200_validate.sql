/*
 * Phase 200: a row that breaks a rule is refused with all its faults at once, each with its field.
 * The trigger's condition, made by crm_private.bind_rules, calls it for faulty rows only.
 *
 * Security definer, because it reads the catalog's rules through crm_private and definitions and
 * referenced rows whatever policies hide of them; it changes nothing.
 */

create or replace function crm_private.validate()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_fields  jsonb;
  v_summary text;
  v_first   record;
begin
  select
    jsonb_object_agg(fault.field, fault.messages),
    string_agg(fault.field || ' ' || (fault.messages ->> 0), '; ' order by fault.ordinal)
  into v_fields, v_summary
  from (
    select field, jsonb_agg(message order by ordinal) as messages, min(ordinal) as ordinal
    from (
      select field, message, min(ordinal) as ordinal
      from crm_private.row_faults(tg_relid, to_jsonb(new)) with ordinality as listed (
        field, message, constraint_name, column_name, ordinal
      )
      group by field, message
    ) as distinct_faults
    group by field
  ) as fault;

  select * into v_first from crm_private.row_faults(tg_relid, to_jsonb(new)) limit 1;

  -- The condition is compiled from the same rules. It is right; what it found may be younger than
  -- the snapshot of this transaction, or bind_rules was forgotten.
  if not found and current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'the rules of %.% changed since this transaction began',
        tg_table_schema, tg_table_name
      using errcode = 'serialization_failure';
  elsif not found then
    raise exception 'crm_private.bind_rules was not called after a rule of %.% changed',
        tg_table_schema, tg_table_name
      using errcode = 'internal_error';
  end if;

  raise exception '%: %', tg_table_name, v_summary
    using errcode    = 'check_violation',
          schema     = tg_table_schema, table = tg_table_name, column = v_first.column_name,
          constraint = v_first.constraint_name,
          detail     = v_fields::text;
end
$$;

comment on function crm_private.validate() is
  'Refuses a row that breaks a rule, with all its faults.';

revoke all on function crm_private.validate() from public;

select crm_private.compile_custom_fields('contact');
select crm_private.compile_custom_fields('company');
select crm_private.compile_custom_fields('deal');

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_rules('crm.pipeline_stages');
