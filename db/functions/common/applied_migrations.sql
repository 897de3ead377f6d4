/*
 * The hashes of the migrations that this database has run, in order. The server compares them with
 * its own to say whether it is ready. Security definer: graphile_migrate belongs to the owner.
 */
create or replace function crm_private.applied_migrations()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select hash from graphile_migrate.migrations order by filename;
$$;

comment on function crm_private.applied_migrations() is
  'The hashes of the migrations that this database has run, in order.';

revoke all on function crm_private.applied_migrations() from public;
grant execute on function crm_private.applied_migrations() to crm_server;
