// Writes what the database knows of phone numbers (npm run phones): calling codes, trunk prefixes and
// what is dialled before a number abroad. The source is the metadata of Google's libphonenumber, as the
// package libphonenumber-js carries it; a test compares them.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { z } from "zod";

const root = resolve(import.meta.dirname, "..");

/** The parts of the metadata that are used: a country is a list, of which some members are. */
const metadataSchema = z.object({
  country_calling_codes: z.record(z.string(), z.array(z.string())),
  countries: z.record(z.string(), z.array(z.unknown())),
  nonGeographic: z.record(z.string(), z.unknown()).optional(),
});

const countrySchema = z
  .tuple([z.string(), z.string(), z.string(), z.array(z.number()), z.unknown(), z.unknown()])
  .rest(z.unknown());

/** The sources that are made, by their path below the project. */
export function renderPhonePlans(): Map<string, string> {
  const metadata = metadataSchema.parse(
    JSON.parse(
      readFileSync(join(root, "node_modules/libphonenumber-js/metadata.min.json"), "utf8"),
    ),
  );
  const codes = [
    ...Object.keys(metadata.country_calling_codes),
    ...Object.keys(metadata.nonGeographic ?? {}),
  ].sort((a, b) => a.length - b.length || Number(a) - Number(b));
  const plans = Object.entries(metadata.countries)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([country, members]) => {
      const [code, abroad, , lengths, , trunk] = countrySchema.parse(members);
      const prefix = typeof trunk === "string" ? `'${trunk}'` : "null";
      return `      ('${country}', '${code}', ${prefix}, '${abroad}', '{${lengths.join(",")}}'::integer[])`;
    });
  return new Map([
    ["db/functions/normalization/calling_code.sql", renderCallingCode(codes)],
    ["db/functions/normalization/phone_plan.sql", renderPhonePlan(plans)],
  ]);
}

function renderCallingCode(codes: readonly string[]): string {
  return `/*
 * The country code that a phone number begins with, as it is dialled from abroad; null if there is
 * none such. No code is the beginning of another.
 *
 * Written by npm run phones, of the metadata of libphonenumber.
 */
create or replace function crm_private.calling_code(digits text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return substring(
    digits from
${wrap(`^(?:${codes.join("|")})`)}
  );
end
$$;

comment on function crm_private.calling_code(text) is
  'The country code that a phone number begins with, as it is dialled from abroad.';

revoke all on function crm_private.calling_code(text) from public;
grant execute on function crm_private.calling_code(text) to crm_reader;
`;
}

function renderPhonePlan(plans: readonly string[]): string {
  return `/*
 * How numbers of a country are written: its code, what is dialled before a number within the country
 * and before one abroad (a pattern), and how many digits numbers have. Without a row for what is no
 * country.
 *
 * Written by npm run phones, of the metadata of libphonenumber.
 */
create or replace function crm_private.phone_plan(p_country text)
returns table (code text, trunk text, abroad text, lengths integer[])
language sql
immutable
parallel safe
rows 1
set search_path = pg_catalog, pg_temp
as $$
  select plan.code, plan.trunk, plan.abroad, plan.lengths
  from (
    values
${plans.join(",\n")}
  ) as plan (country, code, trunk, abroad, lengths)
  where plan.country = p_country;
$$;

comment on function crm_private.phone_plan(text) is
  'How phone numbers of a country are written.';

revoke all on function crm_private.phone_plan(text) from public;
grant execute on function crm_private.phone_plan(text) to crm_reader;
`;
}

/** A literal in lines of its own. */
function wrap(text: string): string {
  const parts = text.match(/.{1,90}/g) ?? [];
  return parts.map((part) => `      '${part}'`).join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of renderPhonePlans()) writeFileSync(join(root, path), text);
}
