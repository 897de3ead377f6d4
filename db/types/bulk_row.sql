do $type$
begin
  if to_regtype('crm_private.bulk_row') is null then
    create type crm_private.bulk_row as (
      place     integer,
      id        uuid,
      operation text,
      item      jsonb
    );
  end if;
end
$type$;

comment on type crm_private.bulk_row is
  'A row of a bulk write: its place in the input, the id of the target row, the operation, and the '
  'columns.';
