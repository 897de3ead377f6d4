/*
 * Returns the letters of scripts without spaces between words, as the inside of a bracket
 * expression: Thai, Lao, Tibetan, Burmese, Khmer, the scripts of the Tai, Javanese, Chinese,
 * Japanese, Yi; and Korean, whose compounds and particles are written together.
 */
create or replace function crm_private.unspaced_scripts()
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return
    '\u0E01-\u0E3A\u0E40-\u0E4E\u0E81-\u0ECF\u0EDC-\u0EDF\u0F40-\u0FBC\u1000-\u103F\u1050-\u109F'
    '\u1100-\u11FF\u1780-\u17D3\u1950-\u19CF\u1A20-\u1A7F\u3005-\u3007\u3041-\u309F\u30A1-\u30FA'
    '\u30FC-\u31BF\u31F0-\u31FF\u3400-\u4DBF\u4E00-\uA48C\uA980-\uA9C0\uA9E0-\uA9FF\uAA60-\uAADF'
    '\uAC00-\uD7A3\uF900-\uFAFF\U0001B000-\U0001B16F\U00020000-\U0003FFFF';
end
$$;

comment on function crm_private.unspaced_scripts() is
  'Returns the letters of scripts without spaces between words, for a bracket expression.';

revoke all on function crm_private.unspaced_scripts() from public;
grant execute on function crm_private.unspaced_scripts() to crm_reader;
