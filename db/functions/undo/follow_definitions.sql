/*
 * Adapts the custom fields of a planned reversal to later changes of their definitions: renamed
 * fields and renamed values of enums get their new names. It removes from the plan the values of a
 * definition that was deleted, values that a definition does not allow any more, and values of a
 * unique field that another row has. Returns what it removed, as crm_private.conflict writes it.
 *
 * Ignores definitions that are reversed themselves: rows and definitions go back together.
 */
create or replace function crm_private.follow_definitions()
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are built from expressions, which cannot be quoted like names and values.
-- @plpgsql_check_options: security_warnings = off, performance_warnings = off
declare
  v_xid    bigint := pg_current_xact_id()::text::bigint;
  v_told   jsonb  := '[]'::jsonb;
  v_more   jsonb;
  v_field  record;
  v_d      crm.custom_field_definitions;
  v_old    text;
  v_new    text;
  v_value  record;
  v_cause  record;
begin
  for v_field in
    select
      planned.entity_type,
      substr(key.name, 15) as name,
      min((planned.undoes -> 'entries' ->> 0)::bigint) as entry_id
    from crm_private.reversals as planned
    cross join lateral (
      select jsonb_object_keys(coalesce(planned.before, '{}') || coalesce(planned.after, '{}'))
    ) as key (name)
    where planned.transaction_id = v_xid
      and key.name like 'custom\_fields.%'
    group by planned.entity_type, key.name
    order by planned.entity_type, key.name
  loop
    -- The definition that had the name then; if it was deleted, the one that has it now.
    select definition.* into v_d
    from crm.custom_field_definitions as definition
    cross join lateral crm_private.name_as_of(
      'custom_field_definition', definition.id, definition.name, v_field.entry_id
    ) as was (name)
    where definition.entity_type = v_field.entity_type
      and v_field.name in (was.name, definition.name)
    order by (was.name is not distinct from v_field.name) desc
    limit 1;

    continue when exists (
      select
      from crm_private.reversals as planned
      where planned.transaction_id = v_xid
        and planned.entity_type = 'custom_field_definition'
        and (
          planned.entity_id = v_d.id
          or (
            v_field.entity_type in (planned.before ->> 'entity_type', planned.after ->> 'entity_type')
            and v_field.name in (planned.before ->> 'name', planned.after ->> 'name')
          )
        )
    );

    v_old := 'custom_fields.' || v_field.name;
    v_new := 'custom_fields.' || coalesce(v_d.name, v_field.name);

    if v_new <> v_old then
      update crm_private.reversals as planned
      set
        before = case
          when planned.before ? v_old
          then planned.before - v_old || jsonb_build_object(v_new, planned.before -> v_old)
          else planned.before
        end,
        after = case
          when planned.after ? v_old
          then planned.after - v_old || jsonb_build_object(v_new, planned.after -> v_old)
          else planned.after
        end
      where planned.transaction_id = v_xid
        and planned.entity_type = v_field.entity_type
        and (planned.before ? v_old or planned.after ? v_old);
    end if;

    for v_value in
      select * from crm_private.renamed_values(v_d.id, v_field.entry_id)
    loop
      update crm_private.reversals as planned
      set
        before = crm_private.with_value(planned.before, v_new, v_value.old_value, v_value.new_value),
        after  = crm_private.with_value(planned.after, v_new, v_value.old_value, v_value.new_value)
      where planned.transaction_id = v_xid
        and planned.entity_type = v_field.entity_type
        and (
          planned.before -> v_new ? v_value.old_value
          or planned.after -> v_new ? v_value.old_value
        );
    end loop;

    -- The cause is the last change of the definition, or its deletion.
    select log.user_id, log."timestamp" into v_cause
    from crm.audit_logs as log
    where log.entity_type = 'custom_field_definition'
      and log.entity_id = coalesce(v_d.id, (
        select gone.entity_id
        from crm.audit_logs as gone
        where gone.entity_type = 'custom_field_definition'
          and gone.action = 'delete'
          and gone.changes ->> 'name' = v_field.name
          and gone.changes ->> 'entity_type' = v_field.entity_type
        order by gone.id desc
        limit 1
      ))
    order by log.id desc
    limit 1;

    execute format(
      $query$
      with planned as (
        select
          planned.entity_type, planned.entity_id, planned.before, planned.after,
          planned.before -> $2 as value,
          jsonb_build_object($3, planned.before -> $2) as custom_fields
        from crm_private.reversals as planned
        where planned.transaction_id = $1
          and planned.entity_type = $4
          and planned.before -> $2 <> 'null'
      ),
      fitted as (
        select planned.*, %1$s as fit
        from planned
      ),
      misfit as (
        select fitted.*
        from fitted
        where fitted.fit is distinct from fitted.value
      ),
      changed as (
        update crm_private.reversals as target
        set
          before = case
            when misfit.fit is not null
            then misfit.before || jsonb_build_object($2, misfit.fit)
            when misfit.after is null and $7 is not null
            then misfit.before || jsonb_build_object($2, $7)
            else misfit.before - $2
          end,
          after = case when misfit.fit is null then misfit.after - $2 else misfit.after end
        from misfit
        where target.transaction_id = $1
          and target.entity_type = misfit.entity_type
          and target.entity_id = misfit.entity_id
      )
      select coalesce(jsonb_agg(
        crm_private.conflict(
          misfit.entity_type, misfit.entity_id, $2, misfit.value,
          coalesce(
            misfit.fit,
            case when misfit.after is null then $7 else record.custom_fields -> $3 end,
            'null'
          ),
          $5, $6
        )
        order by misfit.entity_id
      ), '[]')
      from misfit
      left join %2$s as record on record.id = misfit.entity_id
      $query$,
      case
        when v_d.id is null then 'null::jsonb'
        when v_d.field_type = 'multi_enum' then format(
          $fit$(
            select case jsonb_typeof(planned.value) when 'array' then jsonb_agg(listed.element order by listed.place) end
            from jsonb_array_elements(
              case jsonb_typeof(planned.value) when 'array' then planned.value else '[]' end
            ) with ordinality as listed (element, place)
            where %L::jsonb ? (listed.element #>> '{}')
          )$fit$,
          to_jsonb(v_d.enum_values)
        )
        else format(
          'case when (%s)%s then planned.value end',
          crm_private.custom_field_condition(v_d),
          case when v_d.is_unique then format(
            ' and not exists (
              select from %s as taken
              where taken.custom_fields -> %L = planned.value
                and taken.id <> planned.entity_id
                and not exists (
                  select from crm_private.reversals as also
                  where also.transaction_id = $1
                    and also.entity_type = planned.entity_type
                    and also.entity_id = taken.id
                )
            )',
            crm_private.entity_table(v_field.entity_type), v_d.name
          ) else '' end
        )
      end,
      crm_private.entity_table(v_field.entity_type)
    ) into v_more using
      v_xid, v_new, coalesce(v_d.name, v_field.name), v_field.entity_type,
      v_cause.user_id, v_cause."timestamp",
      case when v_d.required then v_d.default_value end;

    v_told := v_told || v_more;

    -- For a deleted definition, no value is expected either.
    if v_d.id is null then
      update crm_private.reversals as planned
      set before = planned.before - v_new, after = planned.after - v_new
      where planned.transaction_id = v_xid
        and planned.entity_type = v_field.entity_type
        and planned.before ? v_new
        and planned.after is not null;
    end if;
  end loop;

  return v_told;
end
$$;

comment on function crm_private.follow_definitions() is
  'Adapts a planned reversal to later changes of custom fields; returns what it left out.';

revoke all on function crm_private.follow_definitions() from public;
