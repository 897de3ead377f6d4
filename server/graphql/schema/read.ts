import { setTimeout as sleep } from "node:timers/promises";

import type { GraphQLSchema } from "graphql";
import type { Pool } from "pg";
import type { Logger } from "pino";

import { OverloadedError } from "../../errors/classes.ts";
import { isAway } from "../../postgres/away.ts";
import { customSchema } from "../custom-fields/plugin.ts";
import type { MakeSchema } from "./slices.ts";

export interface SchemaDeps {
  /** Logs in as `crm_server`. */
  pool: Pool;
  /** Returns the preset of an API for the given schemas of the database. */
  preset: (schemas: string[]) => GraphileConfig.Preset;
  /** Builds the GraphQL schema of a preset. */
  makeSchema: MakeSchema;
  logger: Logger;
}

/** A GraphQL schema, and the custom fields in it. */
export interface CurrentSchema {
  readonly schema: GraphQLSchema;
  /** Their digest. Undefined if they could not be served. */
  readonly customFields: string | undefined;
}

/** The custom fields in each schema; see {@link CurrentSchema}. */
const fieldsOfSchema = new WeakMap<GraphQLSchema, string>();

/**
 * Returns whether the custom fields of the database differ from those in a schema. If custom fields could not
 * be served, the schema has none.
 */
export async function isOutdated(schema: GraphQLSchema, pool: Pool): Promise<boolean> {
  const known = fieldsOfSchema.get(schema);
  return known !== undefined && known !== (await readCustomFields(pool));
}

/** How far the schema of a server is behind the definitions of custom fields. */
export interface Lag {
  /** The time, as of `Date.now()`, since which it is outdated; undefined if it is current. */
  since: number | undefined;
}

/**
 * Builds the GraphQL schema of a database. If custom fields cause an error, it is logged, and the schema is
 * built without them.
 *
 * @throws any other error of the database or the schema.
 */
export async function readSchema(deps: SchemaDeps): Promise<CurrentSchema> {
  const customFields = await readCustomFields(deps.pool);
  try {
    const schema = await make(deps, ["crm", customSchema]);
    fieldsOfSchema.set(schema, customFields);
    return { schema, customFields };
  } catch (error) {
    if (isAway(error)) throw error;
    const schema = await make(deps, ["crm"]);
    deps.logger.error({ err: error }, "custom fields cannot be served as fields of their own");
    return { schema, customFields: undefined };
  }
}

/** The longest pause before a failed build is retried, in milliseconds. */
const longestPause = 30_000;

/**
 * Rebuilds the schema whenever custom fields are defined, changed or deleted, or a former name expires. It polls instead of using
 * LISTEN: polling works through a pooler, and misses nothing after a lost connection. A failed build is
 * logged and retried with growing pauses; the previous schema stays in use.
 *
 * @param interval of polling, in milliseconds.
 * @param served the current schema.
 * @param serve called with each new schema.
 * @param signal ends the polling.
 * @returns the current lag; the object is updated.
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
  serve: (schema: GraphQLSchema) => Promise<void> | void;
  signal: AbortSignal;
}): Readonly<Lag> {
  let known = served.customFields;
  const lag: Lag = { since: known === undefined ? Date.now() : undefined };
  /** The failed build, and when it is retried. */
  let failed: { customFields: string; pause: number; until: number } | undefined;

  /** When the removal of expired names is tried again after a failure. */
  let expiringFrom = 0;

  async function expire(): Promise<void> {
    if (Date.now() < expiringFrom) return;
    try {
      await deps.pool.query("select crm_private.expire_former_fields()");
    } catch (error) {
      if (isAway(error) || error instanceof OverloadedError) throw error;
      expiringFrom = Date.now() + longestPause;
      deps.logger.error({ err: error }, "expired names of custom fields could not be removed");
    }
  }

  async function look(): Promise<void> {
    await expire();
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
      fieldsOfSchema.set(schema, customFields);
      await serve(schema);
      known = customFields;
      failed = undefined;
      lag.since = undefined;
      deps.logger.info("custom fields have changed, and are served");
    } catch (error) {
      // The database was busy or unavailable: the fields are retried at the next poll.
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

/** Returns a digest of the custom fields. */
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
