/*
 * A hit of crm.search. crm_private.compile_search adds an attribute for each entity type that search
 * finds, such as contact_id, and writes the comment of the type.
 */
do $type$
begin
  if to_regtype('crm.search_hit') is null then
    create type crm.search_hit as (
      entity_type text,
      entity_id   uuid,
      rank        double precision,
      extract     text,
      place       integer,
      "position"  text collate "C"
    );
  end if;
end
$type$;

comment on column crm.search_hit.entity_type is
  E'@notNull\nThe type of the entity, such as contact.';
comment on column crm.search_hit.entity_id is
  E'@notNull\nThe id of the entity.';
comment on column crm.search_hit.rank is
  E'@notNull\nHow well the entity matches, between 0 and 1. The best hit has the highest rank.';
comment on column crm.search_hit.extract is
  E'@notNull\nAn HTML extract with <mark> around the matching words. There is no other markup; the '
  'data is escaped.';
comment on column crm.search_hit.place is
  E'@notNull\nThe place of the hit, from 1 for the best.';
comment on column crm.search_hit."position" is
  E'@notNull\n@behavior -*\nThe position of the hit, with which a later search can go on.';
