/**
 * pgcrm's GraphQL server, for applications that start or extend it themselves.
 *
 * ```ts
 * import { createServer } from "pgcrm/server";
 *
 * const server = await createServer({ settings: process.env, extension: { schemas: ["shop"] } });
 * await server.ready;
 * await server.listen();
 * ```
 *
 * @module
 */

import "./graphql/schema/environment.ts";

export { signToken, type TokenRequest, type TokenRole, tokenRoles } from "./auth/token.ts";
export { Problem } from "./errors/problem.ts";
export { defineConfig, type Extension, type Hooks, type Plugin } from "./extension.ts";
export { createServer, type PgcrmServer, type ServerOptions } from "./http/create-server.ts";
