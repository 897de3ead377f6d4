do $type$
begin
  if to_regtype('crm.viewer') is null then
    create type crm.viewer as (
      user_id        text,
      role           text,
      api_key_name   text,
      can_administrate boolean,
      rights         crm.entity_rights[]
    );
  end if;
end
$type$;

comment on type crm.viewer is
  'The user who makes the request, and what the user may do.';

comment on column crm.viewer.user_id is
  E'@notNull\nThe user: the subject of the token, key:<name> for an API key, or db:<login role> for a '
  'database session.';
comment on column crm.viewer.role is
  E'@notNull\nThe role of the token or API key: reader, member or admin.';
comment on column crm.viewer.api_key_name is
  'The name of the API key. Null if the request has a token.';
comment on column crm.viewer.can_administrate is
  E'@notNull\nTrue if the user has the rights of an administrator, such as editing custom field '
  'definitions and stages.';
comment on column crm.viewer.rights is
  E'@notNull\nWhat the user may do with the entities of each type.';
