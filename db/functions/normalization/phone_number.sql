/*
 * Returns a phone number in one form, however it is written: "+33 6 47 18 67 44", "0033 6 47…",
 * "+33 (0)6 47…" and, for a number in France, "06 47 18 67 44" all become +33647186744. An
 * extension follows after an x: "+1 212 555 0100 ext. 4048" becomes +12125550100x4048. A number
 * without a country code becomes its digits without leading zeros if the country is null. Empty if
 * there is no digit.
 *
 * Leading zeros of a national number are dropped for every country, also for Italy.
 */
create or replace function crm_private.phone_number(phone text, country text default null)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_parts     text[];
  v_phone     text := crm_private.ascii_digits(phone);
  v_extension text := '';
  v_digits    text;
  v_national  text;
  v_code      text;
  v_plan_code text;
  v_trunk     text;
  v_abroad    text;
  v_lengths   integer[];
begin
  v_parts := crm_private.phone_parts(v_phone);
  if v_parts[2] <> '' then
    v_phone     := v_parts[1];
    v_extension := 'x' || coalesce(nullif(ltrim(v_parts[2], '0'), ''), '0');
  end if;

  v_digits := regexp_replace(replace(v_phone, '(0)', ''), '[^0-9]+', '', 'g');
  if v_digits = '' then
    return '';
  end if;

  if country is not null then
    select code, trunk, abroad, lengths
    into v_plan_code, v_trunk, v_abroad, v_lengths
    from crm_private.phone_plan(country);
  end if;

  if v_phone ~ '^[^0-9]*\+' then
    v_code := crm_private.calling_code(ltrim(v_digits, '0'));
    v_digits := ltrim(v_digits, '0');
  elsif v_digits ~ '^00[1-9]' then
    v_digits := substr(v_digits, 3);
    v_code   := crm_private.calling_code(v_digits);
  elsif v_plan_code is not null then
    v_national := ltrim(v_digits, '0');
    if v_trunk <> '0' and starts_with(v_digits, v_trunk)
      and length(v_digits) - length(v_trunk) = any (v_lengths)
    then
      v_national := substr(v_digits, length(v_trunk) + 1);
    end if;
    if length(v_national) = any (v_lengths)
      and v_digits !~ ('^(?:' || v_abroad || ')[1-9][0-9]{8}')
    then
      return '+' || v_plan_code || v_national || v_extension;
    end if;
    -- The prefix for numbers abroad, or the country's own code without a plus.
    v_parts := regexp_match(v_digits, '^(?:' || v_abroad || ')([1-9][0-9]{6,})$');
    if v_parts is not null then
      v_digits := v_parts[1];
      v_code   := crm_private.calling_code(v_digits);
    elsif starts_with(v_digits, v_plan_code)
      and length(ltrim(substr(v_digits, length(v_plan_code) + 1), '0')) = any (v_lengths)
    then
      v_code := v_plan_code;
    else
      return v_national || v_extension;
    end if;
  end if;

  if v_code is null then
    return ltrim(v_digits, '0') || v_extension;
  end if;
  return '+' || v_code || ltrim(substr(v_digits, length(v_code) + 1), '0') || v_extension;
end
$$;

comment on function crm_private.phone_number(text, text) is
  'Returns a phone number in one form, with its country code if that is known, and its extension.';

revoke all on function crm_private.phone_number(text, text) from public;
grant execute on function crm_private.phone_number(text, text) to crm_reader;
