/*
 * How alike two plain names are, from 0 to 1: the share of trigrams that they have in common, and
 * 0.8 at least if they sound alike, that is, have one skeleton of four letters or more.
 */
create or replace function crm_private.name_similarity(plain_name text, other_name text)
returns real
language sql
immutable
parallel safe
return case
  when plain_name = other_name then 1
  else greatest(
    extensions.similarity(plain_name, other_name),
    case
      when crm_private.name_skeleton(plain_name) = crm_private.name_skeleton(other_name)
        and length(crm_private.name_skeleton(plain_name)) >= 4
      then 0.8
    end
  )
end;

comment on function crm_private.name_similarity(text, text) is
  'How alike two plain names are, from 0 to 1.';

revoke all on function crm_private.name_similarity(text, text) from public;
grant execute on function crm_private.name_similarity(text, text) to crm_reader;
