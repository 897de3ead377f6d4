/*
 * Returns the rows that may be the same as a contact or a company. Raises for any other entity
 * type, and for an id that no row has or that the caller cannot see: an empty list would mean that
 * the row has no duplicates.
 */
create or replace function crm.find_duplicates(
  entity_type text,
  id          uuid,
  min_score   double precision default 0.3
)
returns setof crm.duplicate
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_contact crm.contacts;
  v_company crm.companies;
begin
  case entity_type
    when 'contact' then
      select * into v_contact from crm.contacts where contacts.id = find_duplicates.id;
      if found then
        return query select * from crm.contacts_duplicates(v_contact, min_score);
        return;
      end if;
    when 'company' then
      select * into v_company from crm.companies where companies.id = find_duplicates.id;
      if found then
        return query select * from crm.companies_duplicates(v_company, min_score);
        return;
      end if;
    else
      perform crm_private.refuse_entity_type(entity_type);
  end case;

  perform crm_private.refuse_missing(entity_type, find_duplicates.id::text);
end
$$;

comment on function crm.find_duplicates(text, uuid, double precision) is
  'The contacts or companies that may be duplicates of one, the most likely first, each with a '
  'score from 0 to 1 (at least minScore, default 0.3) and the reasons. The entity type is contact '
  'or company.';

revoke all on function crm.find_duplicates(text, uuid, double precision) from public;
grant execute on function crm.find_duplicates(text, uuid, double precision) to crm_reader;
