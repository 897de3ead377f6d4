/*
 * Returns the size of a regular expression after its repetitions are expanded: the number of atoms,
 * and the number of atoms that may be empty and follow each other. PostgreSQL expands repetitions
 * when it compiles an expression; atoms make its automaton large, and it links each of the atoms
 * that may be empty with each other.
 *
 * Parses the syntax of PostgreSQL's advanced expressions, without comments and directors; a token
 * that it does not recognise counts as an atom. Called by crm_private.is_pattern.
 */
create or replace function crm_private.pattern_extent(
  value         text,
  out atoms     numeric,
  out skippable numeric
)
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rest     text      := value;
  v_token    text;
  v_bounds   text[];
  v_copies   numeric;
  -- The sizes for each open group: the whole group, its current branch, and the last atom.
  v_depth    integer   := 1;
  v_atoms    numeric[] := array[0::numeric];
  v_skips    numeric[] := array[0::numeric];
  v_is_empty boolean[] := array[false];
  v_branch   boolean[] := array[true];
  v_last     numeric   := 0::numeric;
  v_skip     numeric   := 0::numeric;
  v_empty    boolean   := true;
begin
  while v_rest <> ''
  loop
    v_token := coalesce(
      -- An escape; a bracket, with classes in it; the beginning of a group; a quantifier.
      substring(v_rest from '^\\.'),
      substring(v_rest from '^\[\^?\]?(?:\[:[^]]*:\]|\[\.[^]]*\.\]|\[=[^]]*=\]|\\.|[^]\\])*\]'),
      substring(v_rest from '^\(\?:'),
      substring(v_rest from '^\{[0-9]+(?:,[0-9]*)?\}\??'),
      substring(v_rest from '^[*+?]\??'),
      left(v_rest, 1)
    );
    v_rest := substr(v_rest, char_length(v_token) + 1);

    if v_token ~ '^([*+?]\??|\{[0-9].*)$' and v_token <> '{' then
      v_bounds := regexp_match(v_token, '^\{([0-9]+)(,?)([0-9]*)');
      v_copies := case
        when v_token like '+%' then 2::numeric
        when v_bounds is null then 1::numeric
        when v_bounds[2] = ',' and v_bounds[3] = '' then v_bounds[1]::numeric + 1
        else greatest(v_bounds[1]::numeric, nullif(v_bounds[3], '')::numeric, 1)
      end;
      -- The last atom is already counted once.
      v_atoms[v_depth] := v_atoms[v_depth] + v_last * (v_copies - 1);
      v_last           := v_last * v_copies;
      if v_empty then
        v_skips[v_depth] := v_skips[v_depth] + v_skip * (v_copies - 1);
        v_skip           := v_skip * v_copies;
      elsif v_token ~ '^([*?]|\{0+[,}])' then
        v_skips[v_depth] := v_skips[v_depth] + 1;
        v_skip           := v_skip + 1;
        v_empty          := true;
      end if;
      continue;
    end if;

    -- The last atom is complete; its branch may be empty only if the atom may be.
    if v_token in ('(', '(?:') then
      v_branch[v_depth] := v_branch[v_depth] and v_empty;
      v_depth := v_depth + 1;
      v_atoms[v_depth] := 0;
      v_skips[v_depth] := 0;
      v_is_empty[v_depth] := false;
      v_branch[v_depth] := true;
      v_last  := 0;
      v_skip  := 0;
      v_empty := true;
    elsif v_token = '|' then
      v_is_empty[v_depth] := v_is_empty[v_depth] or v_branch[v_depth] and v_empty;
      v_branch[v_depth] := true;
      v_last  := 0;
      v_skip  := 0;
      v_empty := true;
    elsif v_token = ')' and v_depth > 1 then
      v_empty := v_is_empty[v_depth] or v_branch[v_depth] and v_empty;
      v_last  := greatest(v_atoms[v_depth], 1);
      v_skip  := greatest(v_skips[v_depth], case when v_empty then 1::numeric else 0::numeric end);
      v_depth := v_depth - 1;
      v_atoms[v_depth] := v_atoms[v_depth] + v_last;
      v_skips[v_depth] := v_skips[v_depth] + v_skip;
    else
      v_branch[v_depth] := v_branch[v_depth] and v_empty;
      v_last  := 1;
      v_empty := v_token ~ '^(\^|\$|\\[AmMyYZ])$';
      v_skip  := case when v_empty then 1::numeric else 0::numeric end;
      v_atoms[v_depth] := v_atoms[v_depth] + 1;
      v_skips[v_depth] := v_skips[v_depth] + v_skip;
    end if;
  end loop;

  atoms     := v_atoms[1];
  skippable := v_skips[1];
end
$$;

comment on function crm_private.pattern_extent(text) is
  'Returns the size of a regular expression after its repetitions are expanded.';

revoke all on function crm_private.pattern_extent(text) from public;
grant execute on function crm_private.pattern_extent(text) to crm_member;
