/* The rows that a running bulk write found faulty. Empty outside of it. */

create table if not exists crm_private.faulty_rows (
  transaction_id bigint      not null,
  number         bigint      not null generated always as identity,
  place          integer,
  item           jsonb       not null,

  constraint faulty_rows_pkey primary key (transaction_id, number)
);

comment on table crm_private.faulty_rows is
  'The rows that a running bulk write found faulty. Empty outside of it.';

alter table crm_private.faulty_rows enable row level security;
