--! Previous: sha1:1dfac1452da2676be199fa5ce28267f9313630e5
--! Hash: sha1:0b50fb6a2355a5688cf78614105cfef850ea526c
--! Message: reports of entities

--! split: 1-current.sql
/*
 * Why: analysts should need no joins for the usual questions, and read custom fields as columns.
 * Locks: nothing but the catalog.
 * Undone by: revert/000005.sql.
 */

--! Included functions/report_columns.sql
/*
 * The columns that the report of an entity type has, custom fields aside: reporting.contacts,
 * reporting.companies and reporting.deals are compiled from them by crm_private.compile_report. The
 * names in the expressions are those of its from clause.
 */
create or replace function crm_private.report_columns(p_entity_type text)
returns table (ordinal integer, name text, expression text, comment text)
language sql
immutable
parallel safe
begin atomic
  select listed.ordinal, listed.name, listed.expression, listed.comment
  from (
    values
      ('contact', 1, 'id', 'contact.id', 'The id of the contact.'),
      ('contact', 2, 'name', 'contact.first_name || '' '' || contact.last_name',
        'First and last name.'),
      ('contact', 3, 'first_name', 'contact.first_name', 'The first name.'),
      ('contact', 4, 'last_name', 'contact.last_name', 'The last name.'),
      ('contact', 5, 'email', 'contact.emails[1]', 'The first email address, if any.'),
      ('contact', 6, 'emails', 'contact.emails', 'All email addresses.'),
      ('contact', 7, 'phone', 'contact.phones[1]', 'The first phone number, if any.'),
      ('contact', 8, 'phones', 'contact.phones', 'All phone numbers.'),
      ('contact', 9, 'company_id', 'contact.company_id', 'The id of the company.'),
      ('contact', 10, 'company', 'company.name', 'The name of the company.'),
      ('contact', 11, 'owner_id', 'contact.owner_id', 'The user who owns the contact.'),
      ('contact', 12, 'created_at', 'contact.created_at', 'When the contact was created.'),
      ('contact', 13, 'created_by', 'contact.created_by', 'Who created it.'),
      ('contact', 14, 'updated_at', 'contact.updated_at', 'When it was changed last.'),
      ('contact', 15, 'updated_by', 'contact.updated_by', 'Who changed it last.'),

      ('company', 1, 'id', 'company.id', 'The id of the company.'),
      ('company', 2, 'name', 'company.name', 'The name.'),
      ('company', 3, 'street', 'company.address ->> ''street''', 'The street.'),
      ('company', 4, 'city', 'company.address ->> ''city''', 'The city.'),
      ('company', 5, 'state', 'company.address ->> ''state''', 'The state.'),
      ('company', 6, 'postal_code', 'company.address ->> ''postalCode''', 'The postal code.'),
      ('company', 7, 'country', 'company.address ->> ''country''', 'The country.'),
      ('company', 8, 'owner_id', 'company.owner_id', 'The user who owns the company.'),
      ('company', 9, 'created_at', 'company.created_at', 'When the company was created.'),
      ('company', 10, 'created_by', 'company.created_by', 'Who created it.'),
      ('company', 11, 'updated_at', 'company.updated_at', 'When it was changed last.'),
      ('company', 12, 'updated_by', 'company.updated_by', 'Who changed it last.'),

      ('deal', 1, 'id', 'deal.id', 'The id of the deal.'),
      ('deal', 2, 'title', 'deal.title', 'The title.'),
      ('deal', 3, 'company_id', 'deal.company_id', 'The id of the company.'),
      ('deal', 4, 'company', 'company.name', 'The name of the company.'),
      ('deal', 5, 'contact_id', 'deal.contact_id', 'The id of the contact.'),
      ('deal', 6, 'contact', 'contact.first_name || '' '' || contact.last_name',
        'The name of the contact.'),
      ('deal', 7, 'value', 'deal.value', 'The value.'),
      ('deal', 8, 'currency', 'deal.currency', 'The currency of the value.'),
      ('deal', 9, 'stage', 'deal.stage', 'The name of the stage.'),
      ('deal', 10, 'stage_kind', 'stage.kind', 'The kind of the stage: open, won or lost.'),
      ('deal', 11, 'probability', 'deal.probability', 'How likely it is won, from 0 to 100.'),
      ('deal', 12, 'close_date', 'deal.close_date', 'When it closed, or is to close.'),
      ('deal', 13, 'owner_id', 'deal.owner_id', 'The user who owns the deal.'),
      ('deal', 14, 'created_at', 'deal.created_at', 'When the deal was created.'),
      ('deal', 15, 'created_by', 'deal.created_by', 'Who created it.'),
      ('deal', 16, 'updated_at', 'deal.updated_at', 'When it was changed last.'),
      ('deal', 17, 'updated_by', 'deal.updated_by', 'Who changed it last.')
  ) as listed (entity_type, ordinal, name, expression, comment)
  where listed.entity_type = p_entity_type;
end;

comment on function crm_private.report_columns(text) is
  'The columns that the report of an entity type has, custom fields aside.';

revoke all on function crm_private.report_columns(text) from public;
--! EndIncluded functions/report_columns.sql
--! Included functions/compile_report.sql
/*
 * Makes the report of an entity type, such as reporting.deals, anew: the columns that
 * crm_private.report_columns has, and one for each custom field, of the field's type. Called when
 * the definitions of the type change.
 *
 * A custom field's column is called custom_<name>, so that no column of ours will ever take its
 * name; a name that is too long for PostgreSQL is cut and told apart by a hash. New columns come
 * last. Where one has to go, or gets another type, the view is dropped and made again: refused if
 * somebody's view depends on it, rather than dropping that, too.
 *
 * The caller keeps writers waiting, so whoever reads the view for long is not waited for.
 */
create or replace function crm_private.compile_report(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_view    text := format(
    'reporting.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
  );
  v_columns jsonb;
  v_query   text;
  v_lost    text;
  v_field   text;
  v_users   text;
begin
  -- What is to be: our columns, then those of the fields that the view has, then new ones.
  select jsonb_agg(
    jsonb_build_array(listed.name, listed.expression, listed.comment, listed.type)
    order by listed.rank, present.attnum, listed.ordinal, listed.name
  )
  into v_columns
  from (
    select 1 as rank, ordinal, name, expression, comment, null as type
    from crm_private.report_columns(p_entity_type)

    union all

    select
      2,
      0,
      case
        when length(definition.name) <= 56 then 'custom_' || definition.name
        else 'custom_' || left(definition.name, 47) || '_' || left(md5(definition.name), 8)
      end,
      case definition.field_type
        when 'text' then format('custom_fields ->> %L', definition.name)
        when 'enum' then format('custom_fields ->> %L', definition.name)
        else format(
          'case when %s then (custom_fields ->> %L)::%s end',
          crm_private.custom_field_condition(definition), definition.name, typed.name
        )
      end,
      definition.label,
      typed.name
    from crm.custom_field_definitions as definition
    cross join lateral (
      select case definition.field_type
        when 'number' then 'numeric' when 'date' then 'date' when 'boolean' then 'boolean'
        else 'text'
      end
    ) as typed (name)
    where definition.entity_type = p_entity_type
  ) as listed
  left join pg_attribute as present
    on present.attrelid = to_regclass(v_view) and present.attname = listed.name and listed.rank = 2;

  select
    'create or replace view ' || v_view || ' as select '
      || string_agg(format('%s as %I', wanted.item ->> 1, wanted.item ->> 0), ', ' order by ordinal)
      || case p_entity_type
        when 'company' then ' from crm.companies as company'
        when 'contact' then
          ' from crm.contacts as contact
            left join (select id, name from crm.companies) as company
              on company.id = contact.company_id'
        when 'deal' then
          ' from crm.deals as deal
            join (select id, name from crm.companies) as company on company.id = deal.company_id
            join (select name, kind from crm.pipeline_stages) as stage on stage.name = deal.stage
            left join (select id, first_name, last_name from crm.contacts) as contact
              on contact.id = deal.contact_id'
      end
  into v_query
  from jsonb_array_elements(v_columns) with ordinality as wanted (item, ordinal);

  -- What the view has and is not to have any more, or not of that type.
  select present.attname::text, case when wanted.item is null then 'name' else 'fieldType' end
  into v_lost, v_field
  from pg_attribute as present
  left join jsonb_array_elements(v_columns) as wanted (item)
    on wanted.item ->> 0 = present.attname
  where present.attrelid = to_regclass(v_view)
    and present.attnum > 0
    and (
      wanted.item is null
      or wanted.item ->> 3 <> format_type(present.atttypid, present.atttypmod)
    )
  order by present.attnum
  limit 1;

  if v_lost is not null then
    begin
      execute 'drop view ' || v_view;
    exception when dependent_objects_still_exist then
      select string_agg(distinct rewrite.ev_class::regclass::text, ', ')
      into v_users
      from pg_depend as dependency
      join pg_rewrite as rewrite on rewrite.oid = dependency.objid
      where dependency.refobjid = v_view::regclass
        and dependency.classid = 'pg_rewrite'::regclass
        and rewrite.ev_class <> v_view::regclass;

      raise exception 'column % of % cannot go: % reads the view', v_lost, v_view, v_users
        using errcode    = 'check_violation',
              schema     = 'crm', table = 'custom_field_definitions',
              column     = case v_field when 'name' then 'name' else 'field_type' end,
              constraint = 'custom_field_definitions_report_used',
              detail     = jsonb_build_object(
                             v_field,
                             jsonb_build_array(format(
                               'is column %s of %s, which is read by %s', v_lost, v_view, v_users
                             ))
                           )::text,
              hint       = 'Drop what reads the view first, and make it again afterwards.';
    end;
  end if;

  execute v_query;
  execute format(
    'comment on view %s is %L',
    v_view,
    'One row for each ' || p_entity_type || ', with its custom fields as columns: custom_<name>.'
  );
  execute (
    select string_agg(
      format('comment on column %s.%I is %L', v_view, item ->> 0, item ->> 2), '; '
    )
    from jsonb_array_elements(v_columns) as wanted (item)
  );
  execute format('grant select on %s to crm_reporter', v_view);
end
$$;

comment on function crm_private.compile_report(text) is
  'Makes the report of an entity type anew, with its custom fields as columns.';

revoke all on function crm_private.compile_report(text) from public;
--! EndIncluded functions/compile_report.sql
--! Included functions/compile_custom_fields.sql
/*
 * Compiles the definitions of an entity type into crm_private.<table>_custom_fields_hold, which
 * the trigger that validates inlines: a row is checked without reading a definition; and into the
 * columns of its report. Called when the definitions of the type change; the caller has stopped
 * writers of the table.
 *
 * Members that are null never reach it: _100_normalise removes them before.
 */
create or replace function crm_private.compile_custom_fields(p_entity_type text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
-- Its statements are made of expressions, which cannot be quoted as names and values can.
-- @plpgsql_check_options: security_warnings = off
declare
  v_function text := format(
    'crm_private.%I',
    (select relname from pg_class where oid = crm_private.entity_table(p_entity_type))
      || '_custom_fields_hold'
  );
begin
  execute (
    select format(
      'create or replace function %s(custom_fields jsonb)
       returns boolean
       language sql
       immutable
       parallel safe
       return case
         when custom_fields = ''{}'' then %s
         when jsonb_typeof(custom_fields) = ''object''
         then custom_fields - %L::text[] = ''{}'' %s
       end',
      v_function,
      (not coalesce(bool_or(d.required), false))::text,
      coalesce(array_agg(d.name order by d.name), '{}'),
      string_agg(
        format('and coalesce(%s, %s)', crm_private.custom_field_condition(d), (not d.required)::text),
        E'\n' order by d.name
      )
    )
    from crm.custom_field_definitions as d
    where d.entity_type = p_entity_type
  );

  execute format(
    'comment on function %s(jsonb) is %L',
    v_function, 'True if the custom fields keep their definitions. Compiled from them.'
  );
  execute format('revoke all on function %s(jsonb) from public', v_function);
  execute format('grant execute on function %s(jsonb) to crm_member', v_function);

  perform crm_private.compile_report(p_entity_type);
end
$$;

comment on function crm_private.compile_custom_fields(text) is
  'Compiles the definitions of an entity type into the check of its rows and into its report.';

revoke all on function crm_private.compile_custom_fields(text) from public;
--! EndIncluded functions/compile_custom_fields.sql
--! Included views/tasks.sql
/* Every task. Analysts read it with the rights of its owner. */
create or replace view reporting.tasks as
  select
    task.id,
    task.description,
    task.status,
    task.due_date,
    task.assigned_to,
    task.entity_type,
    task.entity_id,
    coalesce(contact.first_name || ' ' || contact.last_name, company.name, deal.title) as entity,
    task.created_at,
    task.created_by,
    task.updated_at,
    task.updated_by
  from crm.tasks as task
  left join crm.contacts as contact on contact.id = task.contact_id
  left join crm.companies as company on company.id = task.company_id
  left join crm.deals as deal on deal.id = task.deal_id;

comment on view reporting.tasks is 'One row for each task.';
comment on column reporting.tasks.id is 'The id of the task.';
comment on column reporting.tasks.description is 'What is to be done.';
comment on column reporting.tasks.status is 'open or closed.';
comment on column reporting.tasks.due_date is 'The day by which it is to be done.';
comment on column reporting.tasks.assigned_to is 'The user who is to do it.';
comment on column reporting.tasks.entity_type is 'What it is about: contact, company or deal.';
comment on column reporting.tasks.entity_id is 'The id of what it is about.';
comment on column reporting.tasks.entity is
  'The name of the contact or company, the title of the deal.';
comment on column reporting.tasks.created_at is 'When the task was created.';
comment on column reporting.tasks.created_by is 'Who created it.';
comment on column reporting.tasks.updated_at is 'When it was changed last.';
comment on column reporting.tasks.updated_by is 'Who changed it last.';

grant select on reporting.tasks to crm_reporter;
--! EndIncluded views/tasks.sql
--! Included views/notes.sql
/* Every note. Analysts read it with the rights of its owner. */
create or replace view reporting.notes as
  select
    note.id,
    note.content,
    note.entity_type,
    note.entity_id,
    coalesce(contact.first_name || ' ' || contact.last_name, company.name, deal.title) as entity,
    note.created_at,
    note.created_by,
    note.updated_at,
    note.updated_by
  from crm.notes as note
  left join crm.contacts as contact on contact.id = note.contact_id
  left join crm.companies as company on company.id = note.company_id
  left join crm.deals as deal on deal.id = note.deal_id;

comment on view reporting.notes is 'One row for each note.';
comment on column reporting.notes.id is 'The id of the note.';
comment on column reporting.notes.content is 'What was noted.';
comment on column reporting.notes.entity_type is 'What it is about: contact, company or deal.';
comment on column reporting.notes.entity_id is 'The id of what it is about.';
comment on column reporting.notes.entity is
  'The name of the contact or company, the title of the deal.';
comment on column reporting.notes.created_at is 'When the note was created.';
comment on column reporting.notes.created_by is 'Who created it.';
comment on column reporting.notes.updated_at is 'When it was changed last.';
comment on column reporting.notes.updated_by is 'Who changed it last.';

grant select on reporting.notes to crm_reporter;
--! EndIncluded views/notes.sql

select crm_private.compile_report(entity_type)
from unnest('{contact,company,deal}'::text[]) as entity_type;
