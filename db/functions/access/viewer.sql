/*
 * Returns the user who makes the request, and what the user may do: the privileges of the role on
 * the tables of the catalogue.
 */
create or replace function crm.viewer()
returns crm.viewer
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select
    me.user_id,
    case
      when me.is_administrator                                    then 'admin'
      when pg_has_role(me.calling_role, 'crm_member', 'usage')    then 'member'
      else 'reader'
    end,
    substring(me.user_id from '^key:(.*)$'),
    me.is_administrator,
    array(
      select
        row(
          entity_type,
          has_any_column_privilege(me.calling_role, entity_table, 'insert'),
          has_any_column_privilege(me.calling_role, entity_table, 'update'),
          has_table_privilege(me.calling_role, entity_table, 'delete')
        )::crm.entity_rights
      from crm_private.entity_types
      where restore_order is not null
      order by restore_order
    )
  from (
    select
      crm.current_user_id()          as user_id,
      crm_private.calling_role()     as calling_role,
      crm_private.is_administrator() as is_administrator
  ) as me;
$$;

comment on function crm.viewer() is
  E'@notNull\nThe user who makes the request, and what the user may do.';

revoke all on function crm.viewer() from public;
grant execute on function crm.viewer() to crm_reader;
