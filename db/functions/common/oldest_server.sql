/*
 * The number of the migration that a server must know, at least, to serve this schema. A server that
 * knows it, and not all that came after it, stays ready. Called by the server's check of readiness.
 *
 * A migration that takes something away which servers of before need (a contraction) sets its own
 * number here, and includes this file.
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
  'The number of the migration that a server must know, at least, to serve this schema.';

revoke all on function crm_private.oldest_server() from public;
grant execute on function crm_private.oldest_server() to crm_server;
