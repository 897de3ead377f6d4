do $type$
begin
  if to_regtype('crm.conflict_resolution') is null then
    create type crm.conflict_resolution as enum ('REFUSE', 'SKIP', 'FORCE');
  end if;
end
$type$;

comment on type crm.conflict_resolution is
  'What an undo does with values that were changed since. REFUSE: nothing is undone, and the error '
  'lists each change and its user. SKIP: these values stay as they are, and the rest is undone. '
  'FORCE: these values are overwritten; for administrators only.';
