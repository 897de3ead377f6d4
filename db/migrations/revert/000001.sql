/*
 * Undoes the first migration: everything that pgcrm has, its data included. A role is kept while
 * another database of the cluster uses it.
 */

drop schema crm, crm_private, crm_custom, reporting cascade;

-- The extensions may serve others too; they go unless something depends on them.
drop extension if exists pg_trgm, unaccent;
drop schema extensions;

alter default privileges grant execute on functions to public;

do $public$
begin
  if current_setting('server_version_num')::integer < 150000 then
    grant create on schema public to public;
  end if;
end
$public$;

do $roles$
declare
  v_role text;
begin
  perform pg_advisory_xact_lock(hashtext('pgcrm roles'));

  foreach v_role in array array['crm_server', 'crm_admin', 'crm_member', 'crm_reader', 'crm_reporter']
  loop
    execute format('drop role if exists %I', v_role);
  end loop;
exception
  when dependent_objects_still_exist then
    raise notice 'the roles of pgcrm stay: another database uses them';
end
$roles$;
