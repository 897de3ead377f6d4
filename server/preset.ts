/**
 * The preset of pgcrm's API, for those who serve it from a PostGraphile of their own. The types are those of
 * PostGraphile, which needs `skipLibCheck`.
 *
 * @module
 */

import "./graphql/schema/environment.ts";

export { createPreset, type PresetDeps } from "./graphql/preset.ts";
export {
  createPgService,
  createRequestPool,
  type PgService,
  type PgServiceOptions,
} from "./postgres/adaptor.ts";
export { constraints } from "./model/generated/constraints.ts";
export { readConfig } from "./settings.ts";
