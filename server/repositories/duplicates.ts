import type pg from "pg";

import type { Updates } from "../model/generated/rows.ts";
import { tables } from "../model/generated/tables.ts";
import { parseUserId, type Role } from "../postgres/pool.ts";
import { parse, updateTypeSchemas } from "../model/schemas.ts";
import type { Table } from "../model/tables.ts";
import { createExecute, onlyRow } from "./execute.ts";
import { parseId } from "./id.ts";
import { toColumns } from "./sql.ts";

/** What can be entered twice, and be merged. */
export type MergeableName = "contact" | "company";

/** A row that may be the same as another, and why. */
export interface Duplicate {
  readonly entityId: string;
  /** How likely it is, from 0 to 1. */
  readonly score: number;
  /** What both have in common, the strongest first. */
  readonly reasons: ("email" | "phone" | "domain" | "name")[];
  readonly email: string | null;
  readonly phone: string | null;
  readonly domain: string | null;
  /** How alike the names are, from 0 to 1. */
  readonly nameSimilarity: number;
}

/** What a merge did. */
export interface Merge {
  /** The transaction, by which the audit log has it and it can be undone. */
  readonly transactionId: string;
  readonly dealsMoved: number;
  readonly tasksMoved: number;
  readonly notesMoved: number;
}

/** What a merge of companies did. */
export interface CompanyMerge extends Merge {
  readonly contactsMoved: number;
}

interface Merges {
  contact: Merge;
  company: CompanyMerge;
}

/** The duplicates of the rows of one table. */
export interface DuplicateRepository<Entity extends MergeableName> {
  /**
   * The rows that may be the same as one, the likeliest first.
   *
   * @throws {NotFoundError} if there is no such row.
   */
  findDuplicates(id: string, client?: pg.ClientBase): Promise<Duplicate[]>;
  /**
   * Makes one row of several: the winner stays and gets what belongs to the losers.
   *
   * @param fields the values that are to win over what the rows have.
   * @throws {NotFoundError} whose `entityIds` are the rows that are not there.
   * @throws {ConflictError} if the fields carry a version that is not the winner's.
   */
  merge(
    winner: string,
    losers: readonly string[],
    fields: Updates[Entity],
    userId: string,
    client?: pg.ClientBase,
  ): Promise<Merges[Entity]>;
  /**
   * Where the id of a merged row leads: to the one that is left, through however many merges; null if
   * it was not merged, or is back.
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

/** Makes the calls of `crm.find_duplicates` and of the entity's function that merges. */
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
