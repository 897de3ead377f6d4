do $type$
begin
  if to_regtype('crm_private.bulk_result') is null then
    create type crm_private.bulk_result as (
      created   integer,
      updated   integer,
      deleted   integer,
      unchanged integer,
      faults    jsonb,
      ids       uuid[]
    );
  end if;
end
$type$;

comment on type crm_private.bulk_result is
  'The result of a bulk write: the numbers of rows created, updated, deleted and unchanged; the '
  'faults, [{"index", "code", "fields"}]; and the ids of the rows in the order of the input, null '
  'where nothing was written.';
