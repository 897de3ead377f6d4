do $type$
begin
  if to_regtype('crm_private.parsed_search') is null then
    create type crm_private.parsed_search as (
      exact       tsquery,
      whole       tsquery,
      typed       tsquery,
      indexed     tsquery,
      loose       tsquery,
      loose_texts text,
      whole_names tsquery,
      typed_names tsquery,
      named       tsquery,
      begun       text,
      number      text,
      numbers     text[],
      phone       text,
      beside      tsquery,
      words       text[],
      marks       text[],
      stems       text[],
      near        text[]
    );
  end if;
end
$type$;

comment on type crm_private.parsed_search is
  'The result of crm_private.search_query, which describes the attributes.';
