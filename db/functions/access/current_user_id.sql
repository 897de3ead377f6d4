/*
 * Who is asking. The server says it in the setting crm.user_id, for one transaction at a time.
 * Only sessions that may act as the server are believed; anyone else who logs in by themselves
 * is db:<their login role>, whatever they set. So nobody can write in another's name, and no
 * audit log row is without one.
 */
create or replace function crm.current_user_id()
returns text
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    case
      when current_setting('crm.user_id', true) <> ''
        and pg_has_role(session_user, 'crm_server', 'member')
      then current_setting('crm.user_id', true)
    end,
    'db:' || session_user
  );
end
$$;

comment on function crm.current_user_id() is
  E'@notNull\nWho is asking: the subject of the token, key:<name> for an API key, or db:<login role> '
  'for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;
