/*
 * The hashes of the migrations that this database has run, in order. The server compares them with
 * its own to say whether it is ready. Security definer: crm_migrations belongs to the owner. Its body is not
 * looked into when it is made: a shadow database has no such schema.
 */
create or replace function crm_private.applied_migrations()
returns setof text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query select hash from crm_migrations.migrations order by filename;
end
$$;

comment on function crm_private.applied_migrations() is
  'The hashes of the migrations that this database has run, in order.';

revoke all on function crm_private.applied_migrations() from public;
grant execute on function crm_private.applied_migrations() to crm_server;
