import {
  getNamedType,
  getNullableType,
  isEnumType,
  isListType,
  type GraphQLOutputType,
} from "graphql";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

import { NotCompiledError } from "./symbols.ts";

/** An expression of SQL whose value is a part of the response. */
export interface Part {
  /** Its type is one that `row_to_json` writes as the API does. */
  readonly expression: SQL;
  /** Whether it contains JSON of the database, which PostgreSQL writes with spaces. */
  readonly hasJson: boolean;
}

/** The scalars that are strings in a response. */
const strings = new Set(["ID", "String", "BigInt", "BigFloat", "Datetime", "Date", "Time"]);

/** A text by which is recognised that a codec does not change texts. */
const sample = "1";

/** The types that are read with these functions of the library, and written as numbers and booleans. */
const plain: Readonly<Record<string, readonly string[]>> = {
  Int: ["int2", "int4", "int"],
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
    const isTexts = item !== undefined && item.name === "text" && name === "String";
    return isTexts ? { expression, hasJson: false } : refuse(codec, type);
  }
  if (name === "JSON" && (codec.name === "json" || codec.name === "jsonb")) {
    return { expression, hasJson: true };
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
