do $type$
begin
  if to_regtype('crm.conflict_resolution') is null then
    create type crm.conflict_resolution as enum ('REFUSE', 'SKIP', 'FORCE');
  end if;
end
$type$;

comment on type crm.conflict_resolution is
  'What an undo does where something was changed since. REFUSE: nothing at all, and the answer says what '
  'was changed, and by whom. SKIP: it leaves that as it is, and undoes the rest. FORCE: it overwrites, '
  'for administrators.';
