do $type$
begin
  if to_regtype('crm.issued_api_key') is null then
    create type crm.issued_api_key as (
      key     text,
      api_key crm.api_keys
    );
  end if;
end
$type$;

comment on type crm.issued_api_key is
  'A new API key.';

comment on column crm.issued_api_key.key is
  E'@notNull\nThe key itself, for the header Authorization: Bearer <key>. It is returned only here '
  'and cannot be retrieved later.';
comment on column crm.issued_api_key.api_key is
  E'@notNull\nThe stored details of the key.';
