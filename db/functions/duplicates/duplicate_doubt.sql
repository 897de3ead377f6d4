/*
 * Returns how likely it is that two rows are different, from 0 to 1, by what they have in common.
 * Each reason leaves a doubt, and the doubts multiply: (1 - email) * (1 - phone) * (1 - domain) *
 * (1 - name * similarity).
 *
 * A common address is nearly a proof; a number may belong to an office or a family; colleagues
 * share a domain, and so may two companies of a group. Names count from a similarity of 0.5 on.
 */
create or replace function crm_private.duplicate_doubt(
  entity_type     text,
  same_email      boolean,
  same_phone      boolean,
  same_domain     boolean,
  name_similarity real
)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when same_email then 0.1::double precision else 1 end
    * case when same_phone then 0.5::double precision else 1 end
    * case
      when not same_domain then 1::double precision
      when entity_type = 'company' then 0.4
      else 0.8
    end
    * case
      when name_similarity >= 0.5::real
      then 1 - case entity_type when 'company' then 0.75::double precision else 0.6 end
        * name_similarity
      else 1
    end;
end
$$;

comment on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) is
  'Returns how likely it is that two rows are different, from 0 to 1.';

revoke all on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) from public;
grant execute on function crm_private.duplicate_doubt(text, boolean, boolean, boolean, real) to crm_reader;
