do $type$
begin
  if to_regtype('crm_private.bulk_outcome') is null then
    create type crm_private.bulk_outcome as (
      rows      crm_private.bulk_row[],
      written   crm_private.written_row[],
      faults    crm_private.row_fault[],
      is_undone boolean
    );
  end if;
end
$type$;

comment on type crm_private.bulk_outcome is
  'What an attempt of a bulk write did: the rows that were meant, those written, and the faults.';
