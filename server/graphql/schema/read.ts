import { setTimeout as sleep } from "node:timers/promises";

import type { GraphQLSchema } from "graphql";
import type { Pool } from "pg";
import type { Logger } from "pino";

import { OverloadedError } from "../../errors/classes.ts";
import { isAway } from "../../postgres/until-available.ts";
import { customSchema } from "../custom-fields/plugin.ts";
import type { MakeSchema } from "./slices.ts";

export interface SchemaDeps {
  /** Logs in as `crm_server`. */
  pool: Pool;
  /** The preset that makes an API of the given schemas of the database. */
  preset: (schemas: string[]) => GraphileConfig.Preset;
  /** Makes an API of a preset. */
  makeSchema: MakeSchema;
  logger: Logger;
}

/** An API, and of which custom fields it was made. */
export interface CurrentSchema {
  readonly schema: GraphQLSchema;
  /** Undefined where they could not be served. */
  readonly customFields: string | undefined;
}

/** How far a server is behind the definitions of custom fields. */
export interface Lag {
  /** Since when what is served is not what is defined, as `Date.now()` has it; undefined if it is. */
  since: number | undefined;
}

/**
 * Makes the API of a database. Where custom fields keep it from being made it is made without them, and
 * the log says why.
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
    return { schema, customFields: undefined };
  }
}

/** The longest pause before what could not be served is tried again, in milliseconds. */
const longestPause = 30_000;

/**
 * Serves the API anew whenever custom fields have been defined, changed or deleted. It asks rather
 * than listens: a question finds its way through a pooler, and after a lost connection nothing has
 * been missed. What cannot be served is logged and tried again with growing pauses, and what was
 * served before goes on.
 *
 * @param interval how often it asks, in milliseconds.
 * @param served what is served already.
 * @param serve is given each new API.
 * @param signal ends it.
 * @returns how far what is served is behind, at any time.
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
}): Readonly<Lag> {
  let known = served.customFields;
  const lag: Lag = { since: known === undefined ? Date.now() : undefined };
  /** What could not be served, and when it is tried again. */
  let failed: { customFields: string; pause: number; until: number } | undefined;

  async function look(): Promise<void> {
    const customFields = await readCustomFields(deps.pool);
    if (customFields === known) {
      lag.since = undefined;
      return;
    }
    lag.since ??= Date.now();
    if (failed?.customFields === customFields && Date.now() < failed.until) return;
    try {
      const schema = await make(deps, ["crm", customSchema]);
      if (signal.aborted) return;
      serve(schema);
      known = customFields;
      failed = undefined;
      lag.since = undefined;
      deps.logger.info("custom fields have changed, and are served");
    } catch (error) {
      // A server that is busy or away says nothing about the fields: they are tried at the next look.
      if (isAway(error) || error instanceof OverloadedError) throw error;
      const before = failed?.customFields === customFields ? failed.pause : interval / 2;
      const pause = Math.min(before * 2, longestPause);
      failed = { customFields, pause, until: Date.now() + pause };
      deps.logger.error({ err: error }, "custom fields have changed and cannot be served");
    }
  }

  async function follow(): Promise<void> {
    for (;;) {
      await sleep(interval, undefined, { signal, ref: false }); // rejects when it is aborted
      try {
        await look();
      } catch (error) {
        lag.since ??= Date.now();
        if (!signal.aborted) deps.logger.warn({ err: error }, "could not look for custom fields");
      }
    }
  }

  follow().catch(() => undefined);
  return lag;
}

async function make({ preset, makeSchema }: SchemaDeps, schemas: string[]): Promise<GraphQLSchema> {
  return makeSchema(preset(schemas));
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
