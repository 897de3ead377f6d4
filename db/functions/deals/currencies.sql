/*
 * Returns the currencies that a deal may be in: the active codes of ISO 4217 (its table A.1),
 * without precious metals, test codes and bond market units. ANG and BGN, withdrawn in 2025 and
 * 2026, stay because deals were closed in them. Called by the checks of the tables with a currency.
 */
create or replace function crm.currencies()
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return string_to_array(
    'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV '
    'BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK '
    'DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL '
    'HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT '
    'LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR '
    'MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF '
    'SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP '
    'TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG '
    'XDR XOF XPF YER ZAR ZMW ZWG',
    ' '
  );
end
$$;

comment on function crm.currencies() is
  E'@notNull\nThe currencies that a deal can be in, as ISO 4217 codes such as USD.';

revoke all on function crm.currencies() from public;
grant execute on function crm.currencies() to crm_reader;
