/*
 * Why: pgcrm's roles and schemas. Roles belong to the whole cluster, so they may be there already
 *      from another database; nothing is changed about one that is.
 * Locks: nothing that exists.
 * Undone by: revert/000001.sql, which keeps roles that another database still uses.
 */

do $roles$
declare
  v_role text;
begin
  -- Two databases of one cluster may be migrated at once.
  perform pg_advisory_xact_lock(hashtext('pgcrm roles'));

  foreach v_role in array array['crm_reader', 'crm_member', 'crm_admin'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      execute format('create role %I nologin', v_role);
    end if;
  end loop;

  -- The server logs in as crm_server, which can do nothing but become one of the three.
  if not exists (select from pg_roles where rolname = 'crm_server') then
    create role crm_server login noinherit;
  end if;

  -- Analysts log in as crm_reporter, which reads the schema reporting and nothing else.
  if not exists (select from pg_roles where rolname = 'crm_reporter') then
    create role crm_reporter login;
    alter role crm_reporter set default_transaction_read_only = on;
  end if;

  grant crm_reader to crm_member;
  grant crm_member to crm_admin;
  grant crm_reader, crm_member, crm_admin to crm_server;
end
$roles$;

comment on role crm_reader is 'Reads every entity, its history, the definitions and the stages.';
comment on role crm_member is 'Reads, and writes contacts, companies, deals, tasks and notes.';
comment on role crm_admin is 'Writes definitions and stages too, and reads the whole journal.';
comment on role crm_server is 'Login role of the server: may only become one of the three above.';
comment on role crm_reporter is 'Login role for SQL reporting: reads the schema reporting only.';

create schema crm;
create schema crm_private;
create schema reporting;

comment on schema crm is 'What clients see: every table and function in it is API.';
comment on schema crm_private is 'Internals: what the rules of crm are made of.';
comment on schema reporting is 'Views for analysts, whose meaning does not change.';

revoke all on schema crm, crm_private, reporting from public;
grant usage on schema crm to crm_reader;
grant usage on schema reporting to crm_reporter;

-- Nothing is executable by everyone unless its own file says so.
alter default privileges revoke execute on functions from public;
