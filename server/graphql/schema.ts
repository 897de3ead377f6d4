import { setTimeout as sleep } from "node:timers/promises";

import type { GraphQLSchema } from "graphql";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { makeSchema } from "postgraphile";

import { isAway } from "../untilAvailable.ts";
import { customSchema } from "./plugins/custom-fields.ts";

export interface SchemaDeps {
  /** Logs in as `crm_server`. */
  pool: Pool;
  /** The preset that makes an API of the given schemas of the database. */
  preset: (schemas: string[]) => GraphileConfig.Preset;
  logger: Logger;
}

/** An API, and of which custom fields it was made. */
export interface CurrentSchema {
  readonly schema: GraphQLSchema;
  readonly customFields: string;
}

/**
 * Makes the API of a database. Where custom fields keep it from being made it is made without them, and
 * the log says why: `customFields` has them all the same.
 *
 * @throws what the database or the rest of the API is the reason of.
 */
export async function readSchema(deps: SchemaDeps): Promise<CurrentSchema> {
  const customFields = await readCustomFields(deps.pool);
  try {
    return { schema: await make(deps, ["crm", customSchema]), customFields };
  } catch (error) {
    if (isAway(error)) throw error;
    const schema = await make(deps, ["crm"]);
    deps.logger.error({ err: error }, "custom fields cannot be served as fields of their own");
    return { schema, customFields };
  }
}

/**
 * Serves the API anew whenever custom fields have been defined, changed or deleted. It asks rather
 * than listens: a question finds its way through a pooler, and after a lost connection nothing has
 * been missed. What cannot be served is logged, and what was served before goes on.
 *
 * @param interval how often it asks, in milliseconds.
 * @param served what is served already.
 * @param serve is given each new API.
 * @param signal ends it.
 */
export function followCustomFields({
  interval,
  served,
  serve,
  signal,
  ...deps
}: SchemaDeps & {
  interval: number;
  served: CurrentSchema;
  serve: (schema: GraphQLSchema) => void;
  signal: AbortSignal;
}): void {
  let known = served.customFields;

  async function look(): Promise<void> {
    const customFields = await readCustomFields(deps.pool);
    if (customFields === known) return;
    try {
      const schema = await make(deps, ["crm", customSchema]);
      if (signal.aborted) return;
      serve(schema);
      deps.logger.info("custom fields have changed, and are served");
    } catch (error) {
      if (isAway(error)) throw error;
      deps.logger.error({ err: error }, "custom fields have changed and cannot be served");
    }
    known = customFields;
  }

  async function follow(): Promise<void> {
    for (;;) {
      await sleep(interval, undefined, { signal, ref: false }); // rejects when it is aborted
      try {
        await look();
      } catch (error) {
        if (!signal.aborted) deps.logger.warn({ err: error }, "could not look for custom fields");
      }
    }
  }

  follow().catch(() => undefined);
}

async function make({ preset }: SchemaDeps, schemas: string[]): Promise<GraphQLSchema> {
  const { schema } = await makeSchema(preset(schemas));
  return schema;
}

/** What tells the custom fields of one moment from those of another. */
async function readCustomFields(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ digest: string | null }>(
    `select md5(string_agg(
       concat_ws(' ', proc.oid, proc.proname, proc.prorettype, description.description),
       ',' order by proc.oid
     )) as digest
     from pg_proc as proc
     left join pg_description as description
       on description.objoid = proc.oid and description.classoid = 'pg_proc'::regclass
     where proc.pronamespace = to_regnamespace($1)`,
    [customSchema],
  );
  return rows[0]?.digest ?? "";
}
