import type pg from "pg";

import type { Rows } from "../model/generated/rows.ts";
import type { RecordName } from "./bulk.ts";
import type { Execute } from "./execute.ts";
import { parseText, parseTexts } from "./id.ts";
import { tableOf } from "./listable.ts";
import { rowJson } from "./sql.ts";

/** Finds rows by their ids in other systems. */
export interface ExternalIdFinder<Entity extends RecordName> {
  /** Returns the row that has the external id, or null if there is none. */
  findByExternalId(
    source: string,
    id: string,
    client?: pg.ClientBase,
  ): Promise<Rows[Entity] | null>;
  /** Returns the rows that have the external ids, in the order of the ids; null for an id without a row. */
  findByExternalIds(
    source: string,
    ids: readonly string[],
    client?: pg.ClientBase,
  ): Promise<(Rows[Entity] | null)[]>;
}

/** Creates the finder of the rows of an entity. */
export function createExternalIdFinder<Entity extends RecordName>(
  execute: Execute,
  entity: Entity,
): ExternalIdFinder<Entity> {
  const table = tableOf(entity);
  // Each external id is looked up by the key; a join could read the whole table of external ids.
  const text = `
    select (case when record.id is not null then ${rowJson(table, "record")} else 'null' end)::text as row
    from unnest($2::text[]) with ordinality as given (id, ordinal)
    left join lateral (
      select held.entity_id
      from crm_private.external_ids as held
      where held.entity_type = '${table.entityType}' and held.source = $1 and held.id = given.id
      limit 1
    ) as found on true
    left join ${table.name} as record on record.id = found.entity_id
    order by given.ordinal`;

  async function findByExternalIds(
    source: string,
    ids: readonly string[],
    client?: pg.ClientBase,
  ): Promise<(Rows[Entity] | null)[]> {
    const values = [parseText(source, "source"), parseTexts(ids, "ids")];
    return execute<Rows[Entity] | null>({ text, values }, undefined, client);
  }

  return {
    findByExternalIds,
    async findByExternalId(source, id, client) {
      const [row] = await findByExternalIds(source, [parseText(id, "id")], client);
      return row ?? null;
    },
  };
}
