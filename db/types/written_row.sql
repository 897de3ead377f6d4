do $type$
begin
  if to_regtype('crm_private.written_row') is null then
    create type crm_private.written_row as (
      place     integer,
      id        uuid,
      operation text,
      changed   boolean
    );
  end if;
end
$type$;

comment on type crm_private.written_row is
  'A row that a bulk write has written: its place in the input, its id, the operation, and whether '
  'it changed anything.';
