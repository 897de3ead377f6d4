/*
 * Returns a candidate with its score and reasons, from what it has in common with the row that it
 * is compared with. Of contact_id and company_id, the one of its type has its id.
 */
create or replace function crm_private.duplicate(
  entity_type     text,
  entity_id       uuid,
  email           text,
  phone           text,
  domain          text,
  name_similarity real
)
returns setof crm.duplicate
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    entity_type,
    entity_id,
    case entity_type when 'contact' then entity_id end,
    case entity_type when 'company' then entity_id end,
    crm_private.duplicate_score(
      entity_type, email is not null, phone is not null, domain is not null, name_similarity
    ),
    crm_private.duplicate_reasons(
      email is not null, phone is not null, domain is not null, name_similarity
    ),
    email,
    phone,
    domain,
    round(name_similarity::numeric, 3)::double precision;
$$;

comment on function crm_private.duplicate(text, uuid, text, text, text, real) is
  'Returns a candidate with its score, from what it has in common with the compared row.';

revoke all on function crm_private.duplicate(text, uuid, text, text, text, real) from public;
grant execute on function crm_private.duplicate(text, uuid, text, text, text, real) to crm_reader;
