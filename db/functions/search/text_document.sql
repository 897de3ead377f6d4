/*
 * Returns the search document of a task or a note: its words, all with one weight, and those stems
 * that are not among its words, after a circumflex, which no word contains.
 * The triggers crm_private.derive_task and crm_private.derive_note
 * call it.
 */
create or replace function crm_private.text_document(value text, weight "char")
returns tsvector
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words    text     := crm_private.search_words(value);
  v_document tsvector := crm_private.search_lexemes(v_words, weight);
  v_stems    tsvector := ts_delete(
    crm_private.search_stems(v_words), tsvector_to_array(v_document)
  );
begin
  if length(v_stems) > 0 then
    return v_document || array_to_tsvector(
      string_to_array('^' || array_to_string(tsvector_to_array(v_stems), ' ^'), ' ')
    );
  end if;
  return v_document;
end
$$;

comment on function crm_private.text_document(text, "char") is
  'Returns the search document of a task or a note.';

revoke all on function crm_private.text_document(text, "char") from public;
grant execute on function crm_private.text_document(text, "char") to crm_member;
