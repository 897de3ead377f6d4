import type { PgResource } from "postgraphile/@dataplan/pg";
import { sql, type SQL } from "postgraphile/pg-sql2";

/** A relation as far as it matters here; the library's type knows nothing of most of it. */
export interface Relation {
  readonly remoteResource: PgResource;
  readonly localAttributes: readonly string[];
  readonly remoteAttributes: readonly string[];
  readonly isReferencee?: boolean;
  readonly isUnique: boolean;
}

/** The relations of a table by name. */
export function relationsOf(resource: PgResource): [name: string, relation: Relation][] {
  return Object.entries(resource.getRelations() as unknown as Record<string, Relation>);
}

/** The table that a relation leads to. */
export function tableOf({ remoteResource: { name, from } }: Relation): SQL {
  if (typeof from === "function") throw new Error(`${name} is no table`);
  return from;
}

/** What two related rows have in common. */
export function isRelated(relation: Relation, row: SQL, other: SQL): SQL {
  const conditions = relation.localAttributes.map((local, i) => {
    const remote = sql.identifier(relation.remoteAttributes[i] ?? "");
    return sql`${other}.${remote} = ${row}.${sql.identifier(local)}`;
  });
  return sql.join(conditions, " and ");
}
