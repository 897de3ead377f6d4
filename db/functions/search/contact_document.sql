/*
 * Returns the search document of a contact: its name (weight A), the parts of its addresses and
 * phone numbers (B) and the texts of its custom fields (C). The trigger crm_private.derive_contact
 * calls it.
 */
create or replace function crm_private.contact_document(
  first_name    text,
  last_name     text,
  emails        text[],
  phones        text[],
  custom_fields jsonb
)
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_document tsvector := crm_private.search_name_vector(first_name || ' ' || last_name)
    || crm_private.search_lexemes(
      crm_private.search_words(array_to_string(emails, ' ') || ' ' || array_to_string(phones, ' ')),
      'B'
    );
  v_texts    text := crm_private.search_texts(custom_fields);
begin
  if v_texts is not null then
    return v_document || crm_private.search_vector(v_texts, 'C');
  end if;
  return v_document;
end
$$;

comment on function crm_private.contact_document(text, text, text[], text[], jsonb) is
  'Returns the search document of a contact.';

revoke all on function crm_private.contact_document(text, text, text[], text[], jsonb) from public;
grant execute on function crm_private.contact_document(text, text, text[], text[], jsonb)
  to crm_member;
