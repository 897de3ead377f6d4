/*
 * Returns the connected components of a graph of p_count nodes, 1 to p_count: for each node the
 * smallest node that is connected to it. Edge i joins p_one[i] and p_other[i]. Called by
 * crm.duplicate_groups.
 *
 * A union-find: each node has a label that is not greater than itself, and a root has its own
 * number. Each edge attaches the greater of two roots to the smaller; on the way to a root, labels
 * move up. The work grows hardly faster than the number of edges, and a final pass leads every node
 * to its root.
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
  v_one    integer;
  v_other  integer;
begin
  for v_edge in 1 .. coalesce(cardinality(p_one), 0) loop
    v_one := p_one[v_edge];
    v_other := p_other[v_edge];
    while v_labels[v_one] < v_one loop
      v_labels[v_one] := v_labels[v_labels[v_one]];
      v_one := v_labels[v_one];
    end loop;
    while v_labels[v_other] < v_other loop
      v_labels[v_other] := v_labels[v_labels[v_other]];
      v_other := v_labels[v_other];
    end loop;
    v_labels[greatest(v_one, v_other)] := least(v_one, v_other);
  end loop;

  for v_node in 1 .. p_count loop
    v_labels[v_node] := v_labels[v_labels[v_node]];
  end loop;

  return v_labels;
end
$$;

comment on function crm_private.components(integer, integer[], integer[]) is
  'Returns the connected components of a graph: for each node the smallest one connected to it.';

revoke all on function crm_private.components(integer, integer[], integer[]) from public;
grant execute on function crm_private.components(integer, integer[], integer[]) to crm_reader;
