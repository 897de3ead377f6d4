/*
 * Returns groups of contacts or companies that may be one, over the whole table. Two rows are in
 * one group if a chain of pairs connects them in which each pair has at least the minimum score.
 * Raises for any other entity type.
 */
create or replace function crm.duplicate_groups(
  entity_type text,
  min_score   double precision default 0.5
)
returns setof crm.duplicate_group
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_min_score double precision := greatest(coalesce(min_score, 0.5), 0.3);
  v_ids       uuid[];
  v_one       integer[];
  v_other     integer[];
  v_scores    double precision[];
  v_reasons   text[];
  v_labels    integer[];
begin
  if entity_type is null or entity_type not in ('contact', 'company') then
    perform crm_private.refuse_entity_type(entity_type);
  end if;

  with links as materialized (
    select * from crm_private.contact_links(v_min_score) where entity_type = 'contact'
    union all
    select * from crm_private.company_links(v_min_score) where entity_type = 'company'
  ),
  nodes as materialized (
    select id, row_number() over (order by id)::integer as node
    from (select id from links union select other_id from links) as linked (id)
  )
  select
    (select array_agg(nodes.id order by nodes.node) from nodes),
    array_agg(node_one.node),
    array_agg(node_other.node),
    array_agg(links.score),
    array_agg(array_to_string(links.reasons, ' '))
  into v_ids, v_one, v_other, v_scores, v_reasons
  from links
  join nodes as node_one on node_one.id = links.id
  join nodes as node_other on node_other.id = links.other_id;

  v_labels := crm_private.components(coalesce(cardinality(v_ids), 0), v_one, v_other);

  return query
    with members as (
      select
        label,
        count(*)::integer as size,
        array_agg(v_ids[node] order by node) as ids
      from unnest(v_labels) with ordinality as member (label, node)
      group by label
    ),
    evidence as (
      select
        v_labels[link.one] as label,
        round(avg(link.score)::numeric, 3)::double precision as score,
        string_agg(distinct link.reasons, ' ') as reasons
      from unnest(v_one, v_scores, v_reasons) as link (one, score, reasons)
      group by 1
    )
    select
      entity_type,
      members.size,
      evidence.score,
      array(
        select reason
        from unnest(array['email', 'phone', 'domain', 'name']) as reason
        where reason = any (string_to_array(evidence.reasons, ' '))
      ),
      members.ids[:1000]
    from members
    join evidence using (label)
    order by evidence.score desc, members.size desc, members.ids[1];
end
$$;

comment on function crm.duplicate_groups(text, double precision) is
  'Groups of contacts or companies that may be duplicates of each other, the most likely first. '
  'The entity type is contact or company. Pairs with a score below minScore (default 0.5, at least '
  '0.3) do not count.';

revoke all on function crm.duplicate_groups(text, double precision) from public;
grant execute on function crm.duplicate_groups(text, double precision) to crm_reader;
