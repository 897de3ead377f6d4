/*
 * Returns a text in which labels of domain names in ASCII form are decoded to Unicode:
 * "xn--kln-sna.de" becomes köln.de. Anything else stays unchanged. The algorithm is that of
 * RFC 3492.
 */
create or replace function crm_private.unicode_labels(value text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text   text := value;
  v_label  text;
  v_coded  text;
  v_plain  text[];
  v_code   bigint;
  v_index  bigint;
  v_before bigint;
  v_weight bigint;
  v_bias   integer;
  v_step   integer;
  v_least  integer;
  v_digit  integer;
  v_delta  bigint;
  v_is_bad boolean;
begin
  for v_label in
    select distinct lower(matched.parts[1])
    from regexp_matches(left(value, 100000), 'xn--([a-z0-9-]{1,59})(?![a-z0-9-])', 'gi')
      as matched (parts)
    limit 200
  loop
    -- The ASCII letters stand before the last hyphen, the positions of the others after it.
    v_coded  := substring(v_label from '[^-]*$');
    v_plain  := regexp_split_to_array(
      left(v_label, greatest(length(v_label) - length(v_coded) - 1, 0)), ''
    );
    v_plain  := array_remove(v_plain, '');
    v_code   := 128;
    v_bias   := 72;
    v_index  := 0;
    v_is_bad := v_coded = '';

    while v_coded <> '' and not v_is_bad loop
      v_before := v_index;
      v_weight := 1;
      v_step   := 36;
      loop
        v_digit := case
          when v_coded ~ '^[a-z]' then ascii(v_coded) - 97
          when v_coded ~ '^[0-9]' then ascii(v_coded) - 22
        end;
        v_coded  := substr(v_coded, 2);
        v_is_bad := v_digit is null or v_weight > 100000000;
        exit when v_is_bad;
        v_index := v_index + v_digit * v_weight;
        v_least := case
          when v_step <= v_bias then 1
          when v_step >= v_bias + 26 then 26
          else v_step - v_bias
        end;
        exit when v_digit < v_least;
        v_weight := v_weight * (36 - v_least);
        v_step   := v_step + 36;
      end loop;
      exit when v_is_bad;

      v_delta := (v_index - v_before) / case when v_before = 0 then 700 else 2 end;
      v_delta := v_delta + v_delta / (cardinality(v_plain) + 1);
      v_step  := 0;
      while v_delta > 455 loop
        v_delta := v_delta / 35;
        v_step  := v_step + 36;
      end loop;
      v_bias := v_step + (36 * v_delta / (v_delta + 38))::integer;

      v_code   := v_code + v_index / (cardinality(v_plain) + 1);
      v_index  := v_index % (cardinality(v_plain) + 1);
      v_is_bad := v_code > 1114111 or v_code between 55296 and 57343;
      exit when v_is_bad;
      v_plain := v_plain[:v_index] || chr(v_code::integer) || v_plain[v_index + 1:];
      v_index := v_index + 1;
    end loop;

    if not v_is_bad then
      v_text := regexp_replace(
        v_text, 'xn--' || v_label || '(?![a-z0-9-])', array_to_string(v_plain, ''), 'gi'
      );
    end if;
  end loop;
  return v_text;
end
$$;

comment on function crm_private.unicode_labels(text) is
  'Returns a text in which labels of domain names in ASCII form are decoded to Unicode.';

revoke all on function crm_private.unicode_labels(text) from public;
grant execute on function crm_private.unicode_labels(text) to crm_reader;
