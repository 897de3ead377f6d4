/*
 * Returns the domains of a company: those in its custom fields and in its contacts' email
 * addresses. Domains of public providers (crm_private.shared_domains) are left out.
 */
create or replace function crm_private.company_domains(company crm.companies)
returns setof text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select found.domain
  from jsonb_each_text(company.custom_fields) as field
  cross join lateral crm_private.domain_of(field.value) as found (domain)
  where company.custom_fields::text like '%.%'
    and found.domain <> all (crm_private.shared_domains())

  union

  select found.domain
  from crm.contacts as contact
  cross join lateral unnest(contact.emails) as email
  cross join lateral split_part(crm_private.plain_email(email), '@', 2) as found (domain)
  where contact.company_id = company.id
    and found.domain <> all (crm_private.shared_domains());
$$;

comment on function crm_private.company_domains(crm.companies) is
  'Returns the domains in a company''s custom fields and in its contacts'' email addresses.';

revoke all on function crm_private.company_domains(crm.companies) from public;
grant execute on function crm_private.company_domains(crm.companies) to crm_reader;
