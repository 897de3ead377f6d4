/*
 * Undoes the first migration: everything that pgcrm has, its data included. A role is kept while
 * another database of the cluster uses it.
 */

drop schema crm, crm_private, reporting cascade;

alter default privileges grant execute on functions to public;

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
