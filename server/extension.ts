import type { Express } from "express";

/** A plugin of PostGraphile: a `GraphileConfig.Plugin`, whose type comes with `postgraphile`. */
export interface Plugin {
  readonly name: string;
  readonly version?: string;
}

/** What an application adds to pgcrm: the default export of its `pgcrm.config.ts`. */
export interface Extension {
  /**
   * Schemas of the database whose tables and functions are served besides those of `crm`. What
   * `crm_reader`, `crm_member` and `crm_admin` may do with them is for the application's migrations to
   * grant.
   */
  readonly schemas?: readonly string[];
  /** Plugins of PostGraphile, which come after those of pgcrm. */
  readonly plugins?: readonly Plugin[];
  /** What settings count as where the environment does not have them: `{ PORT: "8080" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly hooks?: Hooks;
}

/** What an application does at certain moments of a server. */
export interface Hooks {
  /** Adds routes and middleware, which come before those of pgcrm. */
  readonly routes?: (app: Express) => void;
  /** Is called once GraphQL is served; what it throws ends the server. */
  readonly ready?: () => void | Promise<void>;
  /** Is called when the server has stopped, before its connections to the database are closed. */
  readonly stopped?: () => void | Promise<void>;
}

/**
 * Returns what it is given. An editor then knows what may stand in `pgcrm.config.ts`:
 * `export default defineConfig({ schemas: ["shop"] });`
 */
export function defineConfig(extension: Extension): Extension {
  return extension;
}
