/**
 * The preset of pgcrm's API, for applications that serve it with their own PostGraphile. Its types are those
 * of PostGraphile, which require `skipLibCheck`.
 *
 * @module
 */

import "./graphql/schema/environment.ts";

export { createPreset, type PresetDeps } from "./graphql/preset.ts";
export { createPgService, type PgService, type PgServiceOptions } from "./postgres/adaptor.ts";
export { createRequestPool } from "./postgres/request-pool.ts";
export { constraints } from "./model/generated/constraints.ts";
export { readConfig } from "./settings.ts";
