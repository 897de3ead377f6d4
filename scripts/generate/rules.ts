import type pg from "pg";

import { camelCase } from "../../server/errors/messages.ts";
import type { Rule } from "../../server/model/tables.ts";
import { evaluate, type CatalogRule } from "./catalog.ts";

/**
 * A form of rule: the pattern of its check constraint, as PostgreSQL prints it, and its conversion to
 * TypeScript.
 */
interface Form {
  readonly pattern: RegExp;
  readonly read: (parts: string[], client: pg.ClientBase) => Rule | Promise<Rule>;
}

const numbers = String.raw`(\d+)`;

/** All forms, in the order in which they are tried. */
const forms: Form[] = [
  form(String.raw`NOT crm_private\.is_blank\(\S+\)`, () => ({ rule: "notBlank" })),
  form(String.raw`crm_private\.is_legible\(\S+\)`, () => ({ rule: "legible" })),
  form(String.raw`crm_private\.is_printable\(\S+\)`, () => ({ rule: "ruly" })),
  form(String.raw`NOT crm_private\.has_illegible_element\(\w+\)`, () => ({
    rule: "elementsLegible",
  })),
  form(String.raw`NOT crm_private\.has_illegible_external_id\(\w+\)`, () => ({
    rule: "externalIdsLegible",
  })),
  form(String.raw`NOT crm_private\.has_unprintable_member\(\w+\)`, () => ({ rule: "membersRuly" })),
  form(`char_length\\(\\w+\\) <= ${numbers}`, ([limit]) => ({
    rule: "maxLength",
    limit: Number(limit),
  })),
  form(String.raw`\w+ ~ '(.*)'::text`, ([pattern]) => ({
    rule: "pattern",
    pattern: unquote(pattern),
  })),
  form(String.raw`\w+ = ANY \((.*)\)`, async ([values = ""], client) => ({
    rule: "oneOf",
    values: (await evaluate(client, values)) as string[],
  })),
  form(`\\(\\w+ >= ${numbers}\\) AND \\(\\w+ <= ${numbers}\\)`, ([least, most]) => ({
    rule: "range",
    least: Number(least),
    most: Number(most),
  })),
  form(String.raw`\w+ > \(0\)::numeric`, () => ({ rule: "positive" })),
  form(`"?\\w+"? >= ${numbers}`, ([least]) => ({ rule: "range", least: Number(least) })),
  form(String.raw`\(\w+ >= '0001-01-01'::date\) AND \(\w+ <= '9999-12-31'::date\)`, () => ({
    rule: "days",
  })),
  form(
    String.raw`\(\w+ > created_at\) AND \(\w+ <= \(created_at \+ '(\d+) years'::interval\)\)`,
    ([years]) => ({ rule: "future", years: Number(years) }),
  ),
  form(`scale\\(trim_scale\\(\\w+\\)\\) <= ${numbers}`, ([limit]) => ({
    rule: "decimals",
    limit: Number(limit),
  })),
  form(`abs\\(\\w+\\) < \\('${numbers}'::bigint\\)::numeric`, ([limit = ""]) => ({
    rule: "below",
    limit,
  })),
  form(`crm_private\\.is_list\\(\\w+, ${numbers}\\)`, ([most]) => ({
    rule: "list",
    least: 0,
    most: Number(most),
  })),
  form(
    `crm_private\\.is_list\\(\\w+, ${numbers}\\) AND \\(cardinality\\(\\w+\\) > ${numbers}\\)`,
    ([most, least]) => ({ rule: "list", least: Number(least) + 1, most: Number(most) }),
  ),
  form(`crm_private\\.is_external_id_list\\(\\w+, ${numbers}\\)`, ([most]) => ({
    rule: "list",
    least: 0,
    most: Number(most),
  })),
  form(String.raw`NOT crm_private\.has_blank_external_id\(\w+\)`, () => ({
    rule: "externalIdsNotBlank",
  })),
  form(
    `NOT crm_private\\.has_long_external_id\\(\\w+, ${numbers}, ${numbers}\\)`,
    ([source, id]) => ({
      rule: "externalIdsMaxLength",
      source: Number(source),
      id: Number(id),
    }),
  ),
  form(String.raw`NOT crm_private\.has_duplicate_external_id\(\w+\)`, () => ({
    rule: "elementsDistinct",
  })),
  form(String.raw`NOT crm_private\.has_blank_element\(\w+\)`, () => ({ rule: "elementsNotBlank" })),
  form(String.raw`NOT crm_private\.has_duplicates\(\w+\)`, () => ({ rule: "elementsDistinct" })),
  form(`NOT crm_private\\.has_long_element\\(\\w+, ${numbers}\\)`, ([limit]) => ({
    rule: "elementsMaxLength",
    limit: Number(limit),
  })),
  form(String.raw`crm_private\.are_emails\(\w+\)`, async (_parts, client) => ({
    rule: "elementsPattern",
    pattern: await emailPattern(client),
  })),
  form(String.raw`jsonb_typeof\(\w+\) = 'object'::text`, () => ({ rule: "object" })),
  form(String.raw`\(\w+ - (ARRAY\[.*\])\) = '\{\}'::jsonb`, async ([keys = ""], client) => ({
    rule: "keys",
    keys: (await evaluate(client, keys)) as string[],
  })),
  form(jsonPath(String.raw`\w+`, String.raw`\$\.\*\?\(@\.type\(\) != "string"\)`), () => ({
    rule: "membersText",
  })),
  form(
    jsonPath(String.raw`\w+`, String.raw`\$\.\*\?\(@ like_regex "\^\.\{(\d+)\}\." flag "s"\)`),
    ([limit]) => ({ rule: "membersMaxLength", limit: Number(limit) }),
  ),
  form(
    String.raw`\((\w+) = ANY \((ARRAY\[[^\]]*\])\)\) = \(\w+ IS NOT NULL\)`,
    async ([other = "", values = ""], client) => ({
      rule: "presentFor",
      other: camelCase(other),
      values: (await evaluate(client, values)) as string[],
    }),
  ),
  form(
    String.raw`\((?:\w+ IS NULL|NOT \w+)\) OR \((\w+) = ANY \((ARRAY\[[^\]]*\])\)\)`,
    async ([other = "", values = ""], client) => ({
      rule: "onlyFor",
      other: camelCase(other),
      values: (await evaluate(client, values)) as string[],
    }),
  ),
  form(String.raw`\(\w+ IS NULL\) OR \(NOT (\w+)\)`, ([other = ""]) => ({
    rule: "notWith",
    other: camelCase(other),
  })),
  // Rules that only the database checks: those of definitions, and of columns that it sets.
  ...[
    String.raw`closed_at >= created_at`,
    String.raw`crm_private\.(?:satisfies_rules|is_pattern)\(.*\)`,
    String.raw`CASE field_type\s.*`,
    String.raw`\(maximum\)::numeric >= \(minimum\)::numeric`,
    String.raw`\(NOT is_unique\) OR \(char_length\(name\) <= \d+\)`,
  ].map((pattern) => form(pattern, () => ({ rule: "database" }))),
];

/**
 * Converts a check constraint to a rule.
 *
 * @throws {Error} if no {@link Rule} corresponds to it. The rule must then be added to the typed layer.
 */
export async function readRule(client: pg.ClientBase, rule: CatalogRule): Promise<Rule> {
  const condition = withoutShortcut(rule.condition);
  for (const { pattern, read } of forms) {
    const match = pattern.exec(condition);
    if (match !== null) return read(match.slice(1), client);
  }
  throw new Error(
    `scripts/generate/rules.ts cannot convert the constraint ${rule.constraint}: ${condition}. ` +
      "Add the rule there, to server/model/tables.ts and to server/model/rules.ts.",
  );
}

/** Returns the rule of `case when <cheap condition> then (<rule>) end`, and of `(<rule>)`. */
function withoutShortcut(condition: string): string {
  const rule = /^\s*CASE\s+WHEN .* THEN (.*?)\s+ELSE NULL::boolean\s+END$/s.exec(condition)?.[1];
  return (rule ?? condition).trim().replace(/^\((.*)\)$/s, "$1");
}

/** Returns the pattern of a check that nothing in a JSON value matches a path. */
function jsonPath(value: string, path: string): string {
  return String.raw`NOT jsonb_path_exists\(${value}, '(?:strict )?${path}'::jsonpath\)`;
}

function form(pattern: string, read: Form["read"]): Form {
  return { pattern: new RegExp(`^${pattern}$`, "s"), read };
}

/** Returns the pattern by which crm_private.are_emails tests each element. */
async function emailPattern(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ path: string }>(
    `select replace(substring(prosrc from '''([$].*)'''), '''''', '''')::jsonpath::text as path
     from pg_proc where oid = 'crm_private.are_emails'::regproc`,
  );
  const pattern = /like_regex "(.*)"/.exec(rows[0]?.path ?? "")?.[1] ?? "";
  return JSON.parse(`"${pattern}"`) as string;
}

/** Unescapes the inside of an SQL literal. */
function unquote(literal = ""): string {
  return literal.replaceAll("''", "'");
}
