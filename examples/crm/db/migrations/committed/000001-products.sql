--! Previous: -
--! Hash: sha1:8c8e742ada6396ceee53c25511ecc31d11f00eb0
--! Message: products

/*
 * Why: the shop sells products to companies.
 * Locks: nothing; the tables are new.
 * Duration: none.
 * Undone by: revert/000001.sql.
 */

create schema shop;
grant usage on schema shop to crm_reader;

create table shop.products (
  id         uuid primary key default gen_random_uuid(),
  company_id uuid references crm.companies (id) on delete set null,
  name       text not null,
  price      numeric(15, 2) not null,
  constraint products_price_positive check (price > 0)
);
create index on shop.products (company_id);

comment on table shop.products is 'What the shop sells.';
comment on column shop.products.company_id is 'The company that makes it.';

grant select on shop.products to crm_reader;
grant insert, update, delete on shop.products to crm_member;
