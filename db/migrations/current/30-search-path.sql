/*
 * Why: with an empty search_path PostgreSQL looks for types and tables in the temporary schema of the
 *      session before its own. Whoever may make temporary objects could so put code of theirs under
 *      names that functions use, text for example, and have it run with the rights of the owner, by
 *      any insert: the journal is written by a function that is security definer. With pg_temp
 *      named last, PostgreSQL's own names always win. Before release 15 everybody may also make
 *      objects in the schema public.
 * Locks: nothing but the functions' entries in the catalog.
 * Undone by: revert/000003.sql.
 */

do $search_path$
declare
  v_function regprocedure;
begin
  for v_function in
    select oid
    from pg_proc
    where pronamespace in ('crm'::regnamespace, 'crm_private'::regnamespace)
      and proconfig @> array['search_path=""']
  loop
    execute format('alter function %s set search_path = pg_catalog, pg_temp', v_function);
  end loop;

  if current_setting('server_version_num')::integer < 150000 then
    revoke create on schema public from public;
  end if;
end
$search_path$;

-- What it compiles gets the same path.
--!include functions/bind_journal.sql
