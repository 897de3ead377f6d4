/*
 * What the server asks of its connections is what the roles that log in have anyway, so that it also holds
 * where a pooler drops it, and for whoever else logs in with them. Who wants another time sets it; one
 * that is set already stays. Locks nothing.
 */
do $timeouts$
declare
  v_setting record;
begin
  for v_setting in
    select setting.*
    from (
      values
        ('crm_server', 'statement_timeout', '20s'),
        ('crm_server', 'lock_timeout', '5s'),
        ('crm_server', 'idle_in_transaction_session_timeout', '10s'),
        ('crm_reporter', 'statement_timeout', '5min'),
        ('crm_reporter', 'lock_timeout', '5s'),
        ('crm_reporter', 'idle_in_transaction_session_timeout', '5min')
    ) as setting (role, name, value)
    join pg_roles on rolname = setting.role
    where not exists (
      select from unnest(rolconfig) as entry where starts_with(entry, setting.name || '=')
    )
  loop
    begin
      execute format('alter role %I set %I = %L', v_setting.role, v_setting.name, v_setting.value);
    exception when insufficient_privilege then
      -- Roles belong to the cluster, and perhaps to the owner of another database in it.
      raise warning 'only a role that administers % can set its %', v_setting.role, v_setting.name;
    end;
  end loop;
end
$timeouts$;
