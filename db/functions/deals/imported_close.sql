/*
 * When a deal was closed that is imported as closed without a time: the day on which it was to close, if
 * that lies between its making and now; else when it was made, since when it has been in its stage as far
 * as is known. Null where it was not made in another system before.
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
  'When a deal was closed that is imported as closed without saying when; null if it is not imported.';

revoke all on function crm_private.imported_close(crm.deals) from public;
grant execute on function crm_private.imported_close(crm.deals) to crm_member;
