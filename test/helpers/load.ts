import { expect } from "@jest/globals";

import { withConnection } from "../../server/postgres/connect.ts";
import type { ServerProcess } from "./process.ts";
import type { Answer } from "./server.ts";

/** Whether an answer is data. */
export const isData = ({ status, errors }: Answer<unknown>): boolean =>
  status === 200 && errors === undefined;

/**
 * Asks from several sides at once until told to stop, and gives what was thrown.
 *
 * @param work tells whether its side goes on.
 */
export function load(
  sides: number,
  work: (side: number) => Promise<boolean>,
): () => Promise<unknown[]> {
  let isOver = false;
  const thrown: unknown[] = [];
  const all = Array.from({ length: sides }, async (_, side) => {
    while (!isOver && (await work(side).catch((error: unknown) => thrown.push(error)))) continue;
  });
  return async () => {
    isOver = true;
    await Promise.all(all);
    return thrown;
  };
}

/** Which companies were asked for, and which of them the server said were made. */
export interface WriteRecord {
  /** How many were acknowledged. */
  readonly size: number;
  /** Asks for a company of a new name. */
  write(server: ServerProcess, keepAlive?: boolean): Promise<Answer<unknown>>;
  /** What was acknowledged is there, what is there was asked for, and each has one audit log entry. */
  expectNothingLost(): Promise<void>;
}

/** Opens a record of a database without companies. */
export function createWriteRecord(databaseUrl: string): WriteRecord {
  const asked = new Set<string>();
  const acknowledged = new Set<string>();
  return {
    get size() {
      return acknowledged.size;
    },

    async write(server, keepAlive = true) {
      const name = `Company ${asked.size}`;
      asked.add(name);
      const answer = await server.ask(
        `mutation { createCompany(input: { company: { name: "${name}" } }) { company { id } } }`,
        keepAlive,
      );
      if (isData(answer)) acknowledged.add(name);
      return answer;
    },

    async expectNothingLost() {
      await withConnection(databaseUrl, async (client) => {
        const { rows: companies } = await client.query<{ name: string; entries: number }>(
          `select name, count(entry.id)::int as entries
             from crm.companies as company
             left join crm.audit_logs as entry
               on entry.entity_id = company.id and entry.changes ->> 'name' = company.name
            group by company.id`,
        );
        const names = new Set(companies.map(({ name }) => name));
        expect([...acknowledged].filter((name) => !names.has(name))).toEqual([]);
        expect([...names].filter((name) => !asked.has(name))).toEqual([]);
        expect(companies.filter(({ entries }) => entries !== 1)).toEqual([]);

        const { rows: entries } = await client.query<{ count: number }>(
          "select count(*)::int as count from crm.audit_logs where entity_type = 'company'",
        );
        expect(entries).toEqual([{ count: companies.length }]);
      });
    },
  };
}
