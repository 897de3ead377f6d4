/*
 * A note as it was: what the row is, less what the journal has since then; crm_private.row_as_of does it.
 */
create or replace function crm.note_as_of(id uuid, at timestamptz)
returns crm.notes
language sql
stable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_populate_record(
    null::crm.notes,
    crm_private.row_as_of(
      'note', note_as_of.id, note_as_of.at,
      (select to_jsonb(record) from crm.notes as record where record.id = note_as_of.id)
    )
  );
$$;

comment on function crm.note_as_of(uuid, timestamptz) is
  'The note as it was at an instant, with every column and custom field; null if there was none then. '
  'Relations lead to what they lead to now.';

revoke all on function crm.note_as_of(uuid, timestamptz) from public;
grant execute on function crm.note_as_of(uuid, timestamptz) to crm_reader;
