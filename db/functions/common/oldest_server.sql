/*
 * Returns the number of the migration that a server must know, at least, to serve this schema. A
 * server that knows it stays ready, even if it does not know all later migrations. Called by the
 * readiness check of the server.
 *
 * A migration that removes something that earlier servers need (a contraction) sets its own number
 * here, and includes this file.
 */
create or replace function crm_private.oldest_server()
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select '000001'::text;
$$;

comment on function crm_private.oldest_server() is
  'Returns the number of the migration that a server must know, at least, to serve this schema.';

revoke all on function crm_private.oldest_server() from public;
grant execute on function crm_private.oldest_server() to crm_server;
