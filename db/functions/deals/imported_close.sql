/*
 * Returns the close time of a deal that is imported as closed without one: its close date, if that
 * is between its creation and now; otherwise its creation, from which on it has been in its stage
 * as far as is known. Null if the deal was not created in another system before.
 */
create or replace function crm_private.imported_close(p_deal crm.deals)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_created timestamptz :=
    crm_private.imported_stamp('created_at', p_deal.created_at::text)::timestamptz;
  v_day     timestamptz;
begin
  if v_created is null then
    return null;
  end if;

  v_day := p_deal.close_date::timestamp at time zone crm.time_zone();
  return case when v_day between v_created and now() then v_day else v_created end;
end
$$;

comment on function crm_private.imported_close(crm.deals) is
  'Returns the close time of a deal that is imported without one; null if it is not imported.';

revoke all on function crm_private.imported_close(crm.deals) from public;
grant execute on function crm_private.imported_close(crm.deals) to crm_member;
