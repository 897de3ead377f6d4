import type { PgCodecWithAttributes, PgResource } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

/** The part of a relation that is used here; the type of the library lacks most of it. */
export interface Relation {
  readonly localCodec: PgCodecWithAttributes;
  readonly remoteResource: PgResource;
  readonly localAttributes: readonly string[];
  readonly remoteAttributes: readonly string[];
  readonly isReferencee?: boolean;
  readonly isUnique: boolean;
}

/** Returns the relations of a table by name. */
export function relationsOf(resource: PgResource): [name: string, relation: Relation][] {
  return Object.entries(resource.getRelations() as unknown as Record<string, Relation>);
}

/** Returns the table that a relation references. */
export function tableOf({ remoteResource: { name, from } }: Relation): SQL {
  if (typeof from === "function") throw new Error(`${name} is not a table`);
  return from;
}

/** Returns the join condition of a relation. */
export function isRelated(relation: Relation, row: SQL, other: SQL): SQL {
  const conditions = relation.localAttributes.map((local, i) => {
    const remote = sql.identifier(relation.remoteAttributes[i] ?? "");
    return sql`${other}.${remote} = ${row}.${sql.identifier(local)}`;
  });
  return sql.join(conditions, " and ");
}
