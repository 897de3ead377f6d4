/*
 * Returns a company name for comparisons: plain, and without the legal form. "Acme Robotics GmbH &
 * Co. KG" becomes "acme robotics". A name that is only a legal form stays.
 */
create or replace function crm_private.plain_company_name(name text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return regexp_replace(
    crm_private.plain_name(name),
    '(?: (?:and )?(?:ab|ag|aktiengesellschaft|ao|aps|as|asa|bhd|bv|bvba|co|company|corp|corporation|cv|doo|eg|'
    'eood|ev|gbr|gesmbh|gmbh|inc|incorporated|kabushiki kaisha|kft|kg|kgaa|kk|lda|limited|llc|llp|'
    'lp|ltd|ltda|mbh|nv|ohg|ood|ooo|oy|oyj|partg|plc|pte|pty|pvt|sa|sab|sae|sarl|sas|sasu|sdn|se|sl|'
    'slu|snc|spa|sp zoo|sp z oo|spol|spzoo|sro|srl|ug|vof|zrt))+$',
    ''
  );
end
$$;

comment on function crm_private.plain_company_name(text) is
  'Returns a company name for comparisons: plain, without its legal form.';

revoke all on function crm_private.plain_company_name(text) from public;
grant execute on function crm_private.plain_company_name(text) to crm_reader;
