import type { Express } from "express";

/** A plugin of PostGraphile: a `GraphileConfig.Plugin`, a type of `postgraphile`. */
export interface Plugin {
  readonly name: string;
  readonly version?: string;
}

/** The extension of pgcrm by an application: the default export of its `pgcrm.config.ts`. */
export interface Extension {
  /**
   * Schemas of the database whose tables and functions are served in addition to those of `crm`. The
   * migrations of the application grant rights on them to `crm_reader`, `crm_member` and `crm_admin`.
   */
  readonly schemas?: readonly string[];
  /** Plugins of PostGraphile. They are loaded after those of pgcrm. */
  readonly plugins?: readonly Plugin[];
  /** Defaults for settings that the environment does not contain: `{ PORT: "8080" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly hooks?: Hooks;
}

/** Functions of an application that the server calls. */
export interface Hooks {
  /** Adds routes and middleware before those of pgcrm. */
  readonly routes?: (app: Express) => void;
  /** Called once GraphQL is served. An error stops the server. */
  readonly ready?: () => void | Promise<void>;
  /** Called when the server has stopped, before its connections to the database are closed. */
  readonly stopped?: () => void | Promise<void>;
}

/**
 * Returns its argument. It gives editors the type of the configuration in `pgcrm.config.ts`:
 * `export default defineConfig({ schemas: ["shop"] });`
 */
export function defineConfig(extension: Extension): Extension {
  return extension;
}
