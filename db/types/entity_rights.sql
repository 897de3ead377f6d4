do $type$
begin
  if to_regtype('crm.entity_rights') is null then
    create type crm.entity_rights as (
      entity_type text,
      can_create  boolean,
      can_update  boolean,
      can_delete  boolean
    );
  end if;
end
$type$;

comment on type crm.entity_rights is
  'What the user may do with the entities of a type. Everybody may read all of them.';

comment on column crm.entity_rights.entity_type is
  E'@notNull\nThe type of the entity.';
comment on column crm.entity_rights.can_create is
  E'@notNull\nTrue if the user may create entities of the type.';
comment on column crm.entity_rights.can_update is
  E'@notNull\nTrue if the user may change entities of the type.';
comment on column crm.entity_rights.can_delete is
  E'@notNull\nTrue if the user may delete entities of the type.';
