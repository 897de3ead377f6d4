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
  'The result of one attempt of a bulk write: the target rows, the rows written, and the faults.';
