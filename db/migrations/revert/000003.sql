/*
 * Undoes the third migration: API keys, with what they were, and the place of the temporary schema.
 * What the keys did stays in the journal.
 */

drop function crm.create_api_key, crm.revoke_api_key, crm_private.authenticate_api_key,
  crm.api_keys_history;
drop type crm.issued_api_key;
drop table crm_private.api_key_hashes, crm.api_keys;
drop function crm_private.api_keys_validate, crm_private.api_keys_hold,
  crm_private.api_keys_journal;

create or replace function crm_private.entity_table(p_entity_type text)
returns regclass
language sql
stable
set search_path = ''
as $$
  select case p_entity_type
    when 'contact' then 'crm.contacts'::regclass
    when 'company' then 'crm.companies'::regclass
    when 'deal'    then 'crm.deals'::regclass
    when 'task'    then 'crm.tasks'::regclass
    when 'note'    then 'crm.notes'::regclass
    when 'custom_field_definition' then 'crm.custom_field_definitions'::regclass
    when 'pipeline_stage'          then 'crm.pipeline_stages'::regclass
  end;
$$;

comment on function crm.current_user_id() is
  E'@notNull\nWho is asking: the subject of the token, or db:<login role> for a database session.';
comment on column crm.audit_logs.entity_type is
  'What was changed: contact, company, deal, task, note, custom_field_definition or '
  'pipeline_stage.';
comment on column crm.audit_logs.user_id is
  'Who did it: the subject of a token, or db:<login role> for a database session.';

do $search_path$
declare
  v_function regprocedure;
begin
  execute replace(
    pg_get_functiondef('crm_private.bind_journal'::regproc),
    'set search_path = pg_catalog, pg_temp', 'set search_path = '''''
  );

  for v_function in
    select oid
    from pg_proc
    where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  loop
    execute format('alter function %s set search_path = ''''', v_function);
  end loop;

  if current_setting('server_version_num')::integer < 150000 then
    grant create on schema public to public;
  end if;
end
$search_path$;
