/* The rows in which a running bulk write has found faults. Empty at any other time. */

create table if not exists crm_private.faulty_rows (
  transaction_id bigint      not null,
  number         bigint      not null generated always as identity,
  place          integer,
  item           jsonb       not null,

  constraint faulty_rows_pkey primary key (transaction_id, number)
);

comment on table crm_private.faulty_rows is
  'The rows in which a running bulk write has found faults. Empty at any other time.';

alter table crm_private.faulty_rows enable row level security;
