import { randomBytes } from "node:crypto";

import {
  getNamedType,
  getNullableType,
  isEnumType,
  isListType,
  type GraphQLOutputType,
} from "graphql";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { parseAsWritten } from "../../model/exact-json.ts";
import { NotCompiledError } from "./symbols.ts";

/** An expression of SQL whose value is a part of the response. */
export interface Part {
  /** Its type is one that `row_to_json` writes as the API does. */
  readonly expression: SQL;
  /** Whether it contains JSON of the database, which PostgreSQL writes with spaces. */
  readonly hasJson: boolean;
}

/**
 * The beginning of a text that is JSON of the database, which PostgreSQL writes with spaces. It is random, so
 * that no client can write such a text.
 */
const jsonMark = `json ${randomBytes(16).toString("hex")} `;

/** JSON of the database in a response. */
const marked = new RegExp(`"${jsonMark}([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"`, "g");

/** Returns a response with its JSON of the database as JavaScript writes it. */
export function withJson(response: string): string {
  return response.replace(marked, (_, escaped: string) => {
    const text = JSON.parse(`"${escaped}"`) as string;
    return JSON.stringify(parseAsWritten(text));
  });
}

/** The scalars that are strings in a response. */
const strings = new Set(["ID", "String", "BigInt", "BigFloat", "Datetime", "Date", "Time"]);

/** A text by which is recognised that a codec does not change texts. */
const sample = "1";

/** The types that are read with these functions of the library, and written as numbers and booleans. */
const plain: Readonly<Record<string, readonly string[]>> = {
  Int: ["int2", "int4", "int", "int8"],
  Boolean: ["bool", "boolean"],
};

/**
 * Returns the expression of a value.
 *
 * @param expression of the value in the database.
 * @param isNotNull whether the database never has null there.
 * @throws {NotCompiledError} if it is not known how the type is written.
 */
export function valueOf(
  expression: SQL,
  codec: PgCodec,
  type: GraphQLOutputType,
  isNotNull: boolean,
): Part {
  const nullable = getNullableType(type);
  if (nullable !== type && !isNotNull) refuse(codec, type);
  const { name } = getNamedType(type);
  if (isListType(nullable)) {
    const item = codec.arrayOfCodec;
    const isTexts = item?.name === "text" && name === "String";
    return isTexts ? { expression, hasJson: false } : refuse(codec, type);
  }
  if (name === "JSON" && (codec.name === "json" || codec.name === "jsonb")) {
    return { expression: sql`${sql.literal(jsonMark)} || ${expression}::text`, hasJson: true };
  }
  if (plain[name]?.includes(codec.name) === true) return { expression, hasJson: false };
  const isString = strings.has(name) || isEnumType(nullable);
  if (!isString || codec.fromPg(sample) !== sample) return refuse(codec, type);
  const text = codec.castFromPg?.(expression, isNotNull) ?? sql`${expression}::text`;
  // Types whose JSON is their text need no cast.
  return { expression: texts.has(codec.name) ? expression : text, hasJson: false };
}

const texts = new Set(["text", "varchar", "uuid"]);

function refuse(codec: PgCodec, type: GraphQLOutputType): never {
  throw new NotCompiledError(`a value of ${codec.name} as ${String(type)} is not compiled`);
}
