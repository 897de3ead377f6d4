import type pg from "pg";

import type { Updates } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { parse, updateTypeSchemas } from "../model/schemas.ts";
import type { Table } from "../model/tables.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { parseId } from "./id.ts";
import { toColumns } from "./sql.ts";

/** An entity whose duplicates can be merged. */
export type MergeableName = "contact" | "company";

/** A possible duplicate of a row, and the reasons. */
export interface Duplicate {
  readonly entityId: string;
  /** The likelihood, from 0 to 1. */
  readonly score: number;
  /** The kinds of values that both rows share, the strongest first. */
  readonly reasons: ("email" | "phone" | "domain" | "name")[];
  readonly email: string | null;
  readonly phone: string | null;
  readonly domain: string | null;
  /** The similarity of the names, from 0 to 1. */
  readonly nameSimilarity: number;
}

/** The result of a merge. */
export interface Merge {
  /** The transaction of the merge in the audit log, by which it can be undone. */
  readonly transactionId: string;
  readonly dealsMoved: number;
  readonly tasksMoved: number;
  readonly notesMoved: number;
}

/** The result of a merge of companies. */
export interface CompanyMerge extends Merge {
  readonly contactsMoved: number;
}

interface Merges {
  contact: Merge;
  company: CompanyMerge;
}

/** Finds and merges duplicates in one table. */
export interface DuplicateRepository<Entity extends MergeableName> {
  /**
   * Returns the possible duplicates of a row, the likeliest first.
   *
   * @throws {NotFoundError} if there is no such row.
   */
  findDuplicates(id: string, client?: pg.ClientBase): Promise<Duplicate[]>;
  /**
   * Merges rows: the losers are deleted, and the winner receives the rows that belong to them.
   *
   * @param winner the id of the row that remains.
   * @param losers the ids of the rows to be merged into it.
   * @param fields values for the winner, which take precedence over those of the rows.
   * @throws {NotFoundError} with the ids of missing rows in `entityIds`.
   * @throws {ConflictError} if the fields contain a version that is not the winner's.
   */
  merge(
    winner: string,
    losers: readonly string[],
    fields: Updates[Entity],
    userId: string,
    client?: pg.ClientBase,
  ): Promise<Merges[Entity]>;
  /**
   * Returns the id of the row that a row was merged into, through any number of merges; null if it was not
   * merged, or was restored.
   */
  mergedInto(id: string, client?: pg.ClientBase): Promise<string | null>;
}

const findText = `
  select json_build_object(
    'entityId', d.entity_id, 'score', d.score, 'reasons', d.reasons, 'email', d.email,
    'phone', d.phone, 'domain', d.domain, 'nameSimilarity', d.name_similarity
  )::text as row
  from crm.find_duplicates($1, $2::uuid) as d`;

const mergedIntoText = "select to_json(crm.merged_into($1, $2::uuid))::text as row";

const mergeTexts: Record<MergeableName, string> = {
  contact: `
    select json_build_object(
      'transactionId', m.transaction_id::text, 'dealsMoved', m.deals_moved,
      'tasksMoved', m.tasks_moved, 'notesMoved', m.notes_moved
    )::text as row
    from crm.merge_contacts($1::uuid, $2::uuid[], $3::jsonb) as m`,
  company: `
    select json_build_object(
      'transactionId', m.transaction_id::text, 'contactsMoved', m.contacts_moved,
      'dealsMoved', m.deals_moved, 'tasksMoved', m.tasks_moved, 'notesMoved', m.notes_moved
    )::text as row
    from crm.merge_companies($1::uuid, $2::uuid[], $3::jsonb) as m`,
};

/** Creates the calls of `crm.find_duplicates`, `crm.merged_into` and the merge function of the entity. */
export function createDuplicateRepository<Entity extends MergeableName>(
  pool: pg.Pool,
  entity: Entity,
  role: Role,
): DuplicateRepository<Entity> {
  const execute = createExecute(pool, role);
  const table: Table = tables[entity];
  return {
    findDuplicates: (id, client) =>
      execute<Duplicate>({ text: findText, values: [entity, parseId(id)] }, undefined, client),

    async merge(winner, losers, fields, userId, client) {
      const user = parseUserId(userId);
      const values = [
        parseId(winner, "winner"),
        losers.map((loser) => parseId(loser, "losers")),
        JSON.stringify(toColumns(table, parse<object>(updateTypeSchemas[entity], fields))),
      ];
      const statement = { text: mergeTexts[entity], values };
      return onlyRow(await execute<Merges[Entity]>(statement, user, client));
    },

    async mergedInto(id, client) {
      const statement = { text: mergedIntoText, values: [entity, parseId(id)] };
      const [winner] = await execute<string | null>(statement, undefined, client);
      return winner ?? null;
    },
  };
}
