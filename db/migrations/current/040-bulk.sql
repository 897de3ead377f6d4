/*
 * Why: integrations and imports write thousands of rows at once, and must learn of all faulty ones
 *      together. The validation notes a faulty row and leaves it out where many are written, instead
 *      of refusing the statement.
 * Locks: each validated table, for a moment, to bind its rules anew.
 * Undone by: revert/000006.sql.
 */

do $types$
begin
  if to_regtype('crm_private.bulk_row') is null then
    create type crm_private.bulk_row as (place integer, id uuid, operation text, item jsonb);
    create type crm_private.written_row as (
      place integer, id uuid, operation text, changed boolean
    );
    create type crm_private.current_row as (
      id uuid, version integer, external_ids crm.external_id[]
    );
    create type crm_private.row_fault as (
      place integer, code text, fields jsonb, readable boolean
    );
    create type crm_private.bulk_outcome as (
      rows      crm_private.bulk_row[],
      written   crm_private.written_row[],
      faults    crm_private.row_fault[],
      is_undone boolean
    );
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
$types$;

comment on type crm_private.bulk_row is
  'A row of a bulk write: its place in the input, the row that is meant, what is to be done, and its '
  'columns.';
comment on type crm_private.written_row is
  'A row that a bulk write wrote: its place in the input, its id, what was done, and whether that '
  'changed anything.';
comment on type crm_private.current_row is 'A row that a bulk write has locked.';
comment on type crm_private.row_fault is
  'What is wrong with a row of a bulk write; not readable, if the row cannot be asked its other '
  'faults.';
comment on type crm_private.bulk_outcome is
  'What an attempt of a bulk write did: the rows that were meant, those written, and the faults.';
comment on type crm_private.bulk_result is
  'What a bulk write did: how many rows were created, updated, deleted, and left as they were; the '
  'faults, [{"index", "code", "fields"}]; and the ids of the rows in the order of the input, null '
  'where nothing was written.';

create table if not exists crm_private.faulty_rows (
  transaction_id bigint  not null,
  number         bigint  not null generated always as identity,
  place          integer,
  item           jsonb   not null,

  constraint faulty_rows_pkey primary key (transaction_id, number)
);

comment on table crm_private.faulty_rows is
  'The rows that a running bulk write found faulty. Empty outside of it.';

alter table crm_private.faulty_rows enable row level security;

drop function if exists crm_private.row_faults(regclass, jsonb);
--!include functions/row_faults.sql
--!include functions/refuse_row.sql
--!include functions/bind_rules.sql

select crm_private.bind_rules('crm.contacts');
select crm_private.bind_rules('crm.companies');
select crm_private.bind_rules('crm.deals');
select crm_private.bind_rules('crm.tasks');
select crm_private.bind_rules('crm.notes');
select crm_private.bind_rules('crm.custom_field_definitions');
select crm_private.bind_rules('crm.pipeline_stages');
select crm_private.bind_rules('crm.api_keys');

--!include functions/merged.sql
--!include functions/written_columns.sql
--!include functions/column_defaults.sql
--!include functions/read_rows.sql
--!include functions/take_faults.sql
--!include functions/put_rows.sql
--!include functions/meant_rows.sql
--!include functions/attempt_rows.sql
--!include functions/broken_reference.sql
--!include functions/colliding_rows.sql
--!include functions/unreadable_rows.sql
--!include functions/fields_of_violation.sql
--!include functions/offending_rows.sql
--!include functions/met_faults.sql
--!include functions/refuse_rows.sql
--!include functions/write_rows.sql
