/*
 * Returns the hashes of the migrations that this database has run, in order. The server compares
 * them with its own to decide whether it is ready. Security definer: crm_migrations belongs to the
 * owner. plpgsql, because its body is not checked at creation: a shadow database has no such
 * schema.
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
  'Returns the hashes of the migrations that this database has run, in order.';

revoke all on function crm_private.applied_migrations() from public;
grant execute on function crm_private.applied_migrations() to crm_server;
