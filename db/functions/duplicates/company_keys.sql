/*
 * Returns the match keys of a company, of which duplicates share at least one, as
 * crm_private.contact_keys does for a contact. The trigger crm_private.derive_company calls
 * it.
 *
 * - name, head, tail: the whole, the beginning and the end of the skeleton of its name without the
 *   legal form. Many names end in words such as Solutions, so the tail is long enough to contain
 *   more than that.
 * - domain: of each custom field that contains only a link, a host or an address. A company also
 *   has the domains of its contacts' addresses, which are among the keys of the contacts.
 */
create or replace function crm_private.company_keys(name text, custom_fields jsonb)
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text := crm_private.name_skeleton(crm_private.plain_company_name(name));
begin
  return case
      when v_name <> '' then array[
        'name:' || left(v_name, 100), 'head:' || left(v_name, 5), 'tail:' || right(v_name, 8)
      ]
      else '{}'
    end
    || case
      when custom_fields::text like '%.%' then array(
        select 'domain:' || domain
        from jsonb_each_text(custom_fields) as field
        cross join lateral crm_private.domain_of(field.value) as domain
        where domain is not null
      )
    end;
end
$$;

comment on function crm_private.company_keys(text, jsonb) is
  'Returns the match keys of a company.';

revoke all on function crm_private.company_keys(text, jsonb) from public;
grant execute on function crm_private.company_keys(text, jsonb) to crm_reader;
