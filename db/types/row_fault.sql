do $type$
begin
  if to_regtype('crm_private.row_fault') is null then
    create type crm_private.row_fault as (
      place    integer,
      code     text,
      fields   jsonb,
      readable boolean
    );
  end if;
end
$type$;

comment on type crm_private.row_fault is
  'The faults of a row of a bulk write. readable is false if the row cannot be checked for other '
  'faults.';
