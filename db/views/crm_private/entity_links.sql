/*
 * The references between entities: the foreign keys with on delete cascade or on delete set null. A
 * client writes entity_id of tasks and notes; the columns that have the keys are generated from it.
 */
create or replace view crm_private.entity_links as
  select
    child.entity_type,
    case attribute.attgenerated when '' then attribute.attname else 'entity_id' end as field,
    attribute.attname      as key,
    parent.entity_type     as target_type,
    con.confdeltype = 'n'  as is_severed,
    child.entity_table,
    parent.entity_table    as target_table
  from pg_constraint as con
  join pg_attribute as attribute
    on attribute.attrelid = con.conrelid and con.conkey = array[attribute.attnum]
  join crm_private.entity_types as child on child.entity_table = con.conrelid
  join crm_private.entity_types as parent on parent.entity_table = con.confrelid
  where con.contype = 'f'
    and con.confdeltype in ('c', 'n');

comment on view crm_private.entity_links is
  'The references between entities: foreign keys with on delete cascade or on delete set null.';

grant select on crm_private.entity_links to crm_member;
