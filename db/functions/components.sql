/*
 * What hangs together in a graph of p_count nodes, 1 to p_count: for each node the least node that
 * paths lead to. The edge number i joins p_one[i] and p_other[i].
 *
 * A loop over rounds, each one statement over all edges. Every node takes the least label among its
 * neighbours', hands it to the node that its own label names, and jumps to the label of its label,
 * so a chain of any length is done in a number of rounds that grows with its logarithm.
 */
create or replace function crm_private.components(
  p_count integer,
  p_one   integer[],
  p_other integer[]
)
returns integer[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_labels integer[] := array(select generate_series(1, p_count));
  v_next   integer[];
begin
  loop
    v_next := array(
      select least(min(label), v_labels[node])
      from (
        select node, v_labels[node] as label from generate_series(1, p_count) as node
        union all
        select one, v_labels[other] from unnest(p_one, p_other) as edge (one, other)
        union all
        select other, v_labels[one] from unnest(p_one, p_other) as edge (one, other)
        union all
        select v_labels[one], v_labels[other] from unnest(p_one, p_other) as edge (one, other)
        union all
        select v_labels[other], v_labels[one] from unnest(p_one, p_other) as edge (one, other)
      ) as proposed (node, label)
      group by node
      order by node
    );
    v_next := array(select v_next[label] from unnest(v_next) with ordinality as l (label, node) order by node);
    exit when v_next = v_labels;
    v_labels := v_next;
  end loop;

  return v_labels;
end
$$;

comment on function crm_private.components(integer, integer[], integer[]) is
  'What hangs together in a graph: for each node the least one that it hangs together with.';

revoke all on function crm_private.components(integer, integer[], integer[]) from public;
grant execute on function crm_private.components(integer, integer[], integer[]) to crm_reader;
