/*
 * Returns the user who makes the request. The server passes it in the setting crm.user_id, for one
 * transaction at a time. The setting is trusted only in sessions that may act as the server; any
 * other login is db:<login role>, regardless of the setting. So no one can write under another
 * user's name, and every audit log entry has a user.
 *
 * Its body is bound: its names were resolved when it was created, so it needs no search_path, and
 * PostgreSQL inlines it into the statements that call it, several times for each row.
 */
create or replace function crm.current_user_id()
returns text
language sql
stable
parallel safe
return coalesce(
  case
    when current_setting('crm.user_id', true) <> ''
      and pg_has_role(session_user, 'crm_server', 'member')
    then current_setting('crm.user_id', true)
  end,
  'db:' || session_user
);

comment on function crm.current_user_id() is
  E'@notNull\nThe user who makes the request: the subject of the token, key:<name> for an API key, '
  'or db:<login role> for a database session.';

revoke all on function crm.current_user_id() from public;
grant execute on function crm.current_user_id() to crm_reader;
