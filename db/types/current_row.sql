do $type$
begin
  if to_regtype('crm_private.current_row') is null then
    create type crm_private.current_row as (
      id           uuid,
      version      integer,
      external_ids crm.external_id[]
    );
  end if;
end
$type$;

comment on type crm_private.current_row is 'A row that a bulk write has locked.';
