import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";

import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import { z } from "zod";

import type { TurnLimits } from "./graphql/limits/turns.ts";
import type { Limits } from "./graphql/limits/limits.ts";
import {
  completeUrl,
  libpqVariables,
  namesServer,
  variableFaults,
  WrongParameter,
} from "./postgres/connection-string.ts";
import { nearMisses } from "./errors/near-misses.ts";
import { exitCodes, Problem } from "./errors/problem.ts";
import type { PersistedRules } from "./graphql/persisted/operations.ts";
import type { RateLimits } from "./http/rate-limit.ts";
import type { SocketLimits } from "./http/sockets.ts";
import type { Timeouts } from "./postgres/timeouts.ts";
import { dataFolder } from "./project.ts";

const postgresUrl = z
  .string()
  .refine((value) => /^postgres(ql)?:\/\//.test(value) && URL.canParse(value), {
    error: "must look like postgres://user:password@host:5432/database",
    abort: true,
  })
  .refine((value) => new URL(value).pathname.length > 1, {
    error: "must name a database: postgres://user:password@host:5432/database",
  });

const secret = z.string().refine((value) => Buffer.byteLength(value) >= 32, {
  error: "must be at least 32 bytes long; generate one with openssl rand -base64 32",
});
const onOff = z
  .enum(["0", "1", "false", "true", "off", "on"], {
    error: "must be 1, true or on, or 0, false or off",
  })
  .transform((value) => ["1", "true", "on"].includes(value));

const origins = z
  .string()
  .transform((value) => value.split(",").map((origin) => origin.trim()))
  .refine((list) => list.every(isOrigin), {
    error:
      "must be a comma-separated list of origins: https://crm.example, https://www.crm.example",
  });

const environment = z.object({
  NODE_ENV: oneOf(["development", "test", "production"]).default("development"),
  PORT: wholeNumber(1, 65_535).default(5000),
  HOST: z.string().default("127.0.0.1"),
  DATABASE_URL: postgresUrl.optional(),
  SERVER_DATABASE_URL: postgresUrl.optional(),
  DATABASE_POOL_SIZE: wholeNumber(1, 1000).default(10),
  DATABASE_PREPARED_STATEMENTS: onOff.default(true),
  MIGRATE_ON_START: onOff.optional(),
  SHUTDOWN_GRACE_SECONDS: wholeNumber(0, 3600).default(8),
  SEAL_INTERVAL_SECONDS: wholeNumber(1, 86_400).default(5),
  JWT_SECRET: secret.optional(),
  JWT_PREVIOUS_SECRET: secret.optional(),
  JWKS_URL: z
    .string()
    .refine(isSafeUrl, "must be an https URL, or an http URL of this machine")
    .optional(),
  JWKS_FILE: z
    .string()
    .refine(isKeySet, "must name a file that contains a JSON Web Key Set")
    .optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  METRICS_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,}$/, "must be at least 16 printable characters without spaces")
    .optional(),
  LOG_LEVEL: oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).optional(),
  PGCRM_DATA: z.string().default(dataFolder),
  GRAPHIQL: onOff.optional(),
  INTROSPECTION: onOff.optional(),
  PERSISTED_OPERATIONS: z.string().refine(isFolder, "must name an existing folder").optional(),
  PERSISTED_ONLY: onOff.default(false),
  QUERIES_BY_GET: onOff.default(true),
  COMPRESSION: onOff.default(true),
  ALLOWED_ORIGINS: origins.default([]),
  RATE_LIMIT_USER: wholeNumber(0, 999_999_999).default(30_000),
  RATE_LIMIT_ADDRESS: wholeNumber(0, 999_999_999).default(60_000),
  TRUSTED_PROXIES: wholeNumber(0, 10).default(0),
  MAX_SOCKETS_USER: limit(100),
  MAX_SOCKETS_ADDRESS: limit(1000),
  MAX_SOCKET_OPERATIONS: limit(20),
  SOCKET_INIT_TIMEOUT: limit(3000),
  SOCKET_KEEPALIVE: limit(12_000),
  REQUEST_TIMEOUT: limit(15_000),
  KEEP_ALIVE_TIMEOUT: limit(72_000),
  STATEMENT_TIMEOUT: limit(20_000),
  LOCK_TIMEOUT: limit(5000),
  IDLE_IN_TRANSACTION_TIMEOUT: limit(10_000),
  POOL_TIMEOUT: limit(3000),
  WRITE_TURN_TIMEOUT: limit(20_000),
  PLANNING_TIMEOUT: limit(3000),
  EXECUTION_TIMEOUT: limit(30_000),
  MAX_BODY_BYTES: limit(1_000_000),
  MAX_BULK_BODY_BYTES: limit(10_000_000),
  MAX_QUERY_CHARACTERS: limit(50_000),
  MAX_QUERY_TOKENS: limit(2000),
  MAX_QUERY_DEPTH: limit(12),
  MAX_QUERY_FIELDS: limit(1000),
  MAX_QUERY_ALIASES: limit(30),
  MAX_QUERY_DIRECTIVES: limit(20),
  MAX_ROOT_FIELDS: limit(20),
  MAX_MUTATIONS: limit(10),
  MAX_LIST_DEPTH: limit(4),
  MAX_ROWS: limit(20_000),
  MAX_SCANS: limit(15),
  HEAVY_ROWS: limit(2000),
  HEAVY_OPERATIONS: limit(2),
  HEAVY_WRITES: limit(2),
  MAX_PAGE_SIZE: limit(1000),
  DEFAULT_PAGE_SIZE: limit(100),
  DEFAULT_INNER_PAGE_SIZE: limit(20),
  MAX_GROUPS: limit(1000),
  MAX_FILTER_FIELDS: limit(100),
  MAX_FILTER_DEPTH: limit(6),
  MAX_FILTER_VALUES: limit(1000),
  MAX_ORDERINGS: limit(5),
  MAX_VARIABLE_DEPTH: limit(50),
});

/** The environment variables that configure pgcrm. */
export const configVariables: readonly string[] = Object.keys(environment.shape);

/** The default values of the variables that have fixed ones. */
export const configDefaults: Readonly<Record<string, unknown>> = environment.parse({});

/** Settings of a pgcrm process. */
export interface Config {
  readonly production: boolean;
  /** TCP port of the HTTP server. */
  readonly port: number;
  /** Address that the HTTP server listens on. */
  readonly host: string;
  /** The URL of the database owner. If both URLs are absent, the embedded database is used. */
  readonly databaseUrl?: string | undefined;
  /** The URL of the login role, if it is not to be derived from that of the owner. */
  readonly serverDatabaseUrl?: string | undefined;
  /** Whether a server migrates before it serves. */
  readonly migrateOnStart: boolean;
  /** The maximum number of connections that the server opens. */
  readonly poolSize: number;
  /** Whether the server prepares its statements. Some connection poolers do not support this. */
  readonly preparedStatements: boolean;
  /** How long running requests may take after a stop signal, in milliseconds. */
  readonly shutdownGrace: number;
  /** How often the server seals the audit log, in milliseconds. */
  readonly sealInterval: number;
  /** The HS256 secret. A production server requires it, or a key set. */
  readonly jwtSecret?: string | undefined;
  /** The previous secret. Tokens that it signed are still accepted. */
  readonly jwtPreviousSecret?: string | undefined;
  /** The place of the public keys, if tokens are not signed with a secret. */
  readonly keySet?: { readonly jwksUrl: string } | { readonly jwksFile: string } | undefined;
  /** The required issuer of tokens. */
  readonly jwtIssuer?: string | undefined;
  /** The required audience of tokens. */
  readonly jwtAudience?: string | undefined;
  /** The bearer token for reading metrics. Without it, there are no metrics. */
  readonly metricsToken?: string | undefined;
  readonly logLevel: string;
  /** Whether GraphiQL is served. */
  readonly graphiql: boolean;
  /** Whether introspection of the schema is allowed. */
  readonly introspection: boolean;
  /** The folder of persisted operations, and whether only these are served; undefined if there are none. */
  readonly persisted?: PersistedRules | undefined;
  /** Whether queries may also be sent by GET. */
  readonly queriesByGet: boolean;
  /** The origins whose pages may send requests from a browser. */
  readonly allowedOrigins: readonly string[];
  /** Whether pages of this machine may send requests, too, at any port. */
  readonly localOrigins: boolean;
  /** Whether responses of more than 1 kB are compressed. */
  readonly compression: boolean;
  /** The limits of one request. */
  readonly limits: Limits;
  /** The thresholds of heavy operations, and how many of them may run at once. */
  readonly heavy: TurnLimits;
  /** The limits of request rates. */
  readonly rateLimits: RateLimits;
  /** The limits of WebSocket connections. */
  readonly sockets: SocketLimits;
  /** How many trusted proxies are in front of the server. */
  readonly trustedProxies: number;
  /** Timeouts, in milliseconds. */
  readonly timeouts: Timeouts;
  /** The folder for the data of an installation: the embedded database, the generated secret. */
  readonly dataFolder: string;
}

/**
 * Reads the settings from environment variables. An empty variable counts as absent.
 *
 * @param variables usually `process.env`.
 * @throws {Problem} with a line for each faulty variable, which contains its name but never its value. A
 *   variable whose name is probably a misspelt setting is faulty too.
 */
export function readConfig(variables: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""));
  const complaints: string[] = [];
  const complain = (variable: string, complaint: string) =>
    complaints.push(`${variable} ${complaint}.`);

  for (const [name, meant] of nearMisses(Object.keys(given), [
    ...configVariables,
    ...libpqVariables,
  ])) {
    complain(name, `is not a setting; use ${meant}`);
  }
  const parsed = environment.safeParse(given);
  for (const issue of parsed.error?.issues ?? []) complain(String(issue.path[0]), issue.message);
  // Faults of combinations are reported only for settings that are valid on their own.
  const faulty = new Set(parsed.error?.issues.map((issue) => String(issue.path[0])));
  const has = (name: keyof typeof environment.shape) => given[name] !== undefined;

  const own = has("DATABASE_URL") || (!has("SERVER_DATABASE_URL") && namesServer(given));
  const faults = own || has("SERVER_DATABASE_URL") ? variableFaults(given) : [];
  for (const { source, complaint } of faults) complain(source, complaint);
  const urlOf = (name: "DATABASE_URL" | "SERVER_DATABASE_URL", isMeant: boolean) => {
    if (!isMeant || faulty.has(name) || faults.length > 0) return undefined;
    try {
      return completeUrl(given[name], given, name);
    } catch (error) {
      if (!(error instanceof WrongParameter)) throw error;
      const line = `${error.source} ${error.complaint}.`;
      if (!complaints.includes(line)) complaints.push(line);
      return undefined;
    }
  };
  const databaseUrl = urlOf("DATABASE_URL", own);
  const serverDatabaseUrl = urlOf("SERVER_DATABASE_URL", has("SERVER_DATABASE_URL"));

  const keySources = ["JWKS_URL", "JWKS_FILE", "JWT_SECRET"] as const;
  if (keySources.filter(has).length > 1) {
    complain("JWT_SECRET, JWKS_URL and JWKS_FILE", "are mutually exclusive: set one of them");
  }
  if (has("JWT_PREVIOUS_SECRET") && !has("JWT_SECRET")) {
    complain("JWT_PREVIOUS_SECRET", "requires JWT_SECRET, the current secret");
  }
  const isOn = (name: "PERSISTED_ONLY" | "GRAPHIQL" | "MIGRATE_ON_START") =>
    has(name) && onOff.safeParse(given[name]).data === true;
  if (isOn("PERSISTED_ONLY") && !has("PERSISTED_OPERATIONS")) {
    complain("PERSISTED_ONLY", "requires PERSISTED_OPERATIONS, the folder of the operations");
  }
  if (isOn("PERSISTED_ONLY") && isOn("GRAPHIQL")) {
    complain("GRAPHIQL", "cannot be on with PERSISTED_ONLY, which refuses the queries of GraphiQL");
  }
  if (isOn("MIGRATE_ON_START") && has("SERVER_DATABASE_URL") && !own) {
    complain(
      "MIGRATE_ON_START",
      "requires DATABASE_URL: migrations run as the owner of the database",
    );
  }
  if (!parsed.success || complaints.length > 0) {
    throw new Problem(complaints.join("\n"), exitCodes.usage);
  }

  const settings = parsed.data;
  const production = settings.NODE_ENV === "production";
  // Seven tenths of the connections are reserved for small operations.
  const large = Math.max(1, Math.floor(settings.DATABASE_POOL_SIZE * 0.3));
  return {
    production,
    port: settings.PORT,
    host: settings.HOST,
    databaseUrl,
    serverDatabaseUrl,
    migrateOnStart:
      settings.MIGRATE_ON_START ?? (databaseUrl !== undefined || serverDatabaseUrl === undefined),
    poolSize: settings.DATABASE_POOL_SIZE,
    preparedStatements: settings.DATABASE_PREPARED_STATEMENTS,
    shutdownGrace: settings.SHUTDOWN_GRACE_SECONDS * 1000,
    sealInterval: settings.SEAL_INTERVAL_SECONDS * 1000,
    jwtSecret: settings.JWT_SECRET,
    jwtPreviousSecret: settings.JWT_PREVIOUS_SECRET,
    keySet: keySetOf(settings),
    jwtIssuer: settings.JWT_ISSUER,
    jwtAudience: settings.JWT_AUDIENCE,
    metricsToken: settings.METRICS_TOKEN,
    logLevel: settings.LOG_LEVEL ?? (production ? "info" : "warn"),
    graphiql: settings.GRAPHIQL ?? !(production || settings.PERSISTED_ONLY),
    introspection: settings.INTROSPECTION ?? !production,
    persisted: persistedOf(settings),
    queriesByGet: settings.QUERIES_BY_GET,
    compression: settings.COMPRESSION,
    allowedOrigins: settings.ALLOWED_ORIGINS,
    localOrigins: !production,
    limits: {
      bodyBytes: settings.MAX_BODY_BYTES,
      bulkBodyBytes: Math.max(settings.MAX_BODY_BYTES, settings.MAX_BULK_BODY_BYTES),
      characters: settings.MAX_QUERY_CHARACTERS,
      tokens: settings.MAX_QUERY_TOKENS,
      depth: settings.MAX_QUERY_DEPTH,
      fields: settings.MAX_QUERY_FIELDS,
      aliases: settings.MAX_QUERY_ALIASES,
      directives: settings.MAX_QUERY_DIRECTIVES,
      rootFields: settings.MAX_ROOT_FIELDS,
      mutations: settings.MAX_MUTATIONS,
      lists: settings.MAX_LIST_DEPTH,
      rows: settings.MAX_ROWS,
      scans: settings.MAX_SCANS,
      pageSize: settings.MAX_PAGE_SIZE,
      defaultPageSize: settings.DEFAULT_PAGE_SIZE,
      innerPageSize: settings.DEFAULT_INNER_PAGE_SIZE,
      groups: settings.MAX_GROUPS,
      filterNodes: settings.MAX_FILTER_FIELDS,
      filterDepth: settings.MAX_FILTER_DEPTH,
      filterValues: settings.MAX_FILTER_VALUES,
      orderings: settings.MAX_ORDERINGS,
      variableDepth: settings.MAX_VARIABLE_DEPTH,
    },
    heavy: {
      rows: settings.HEAVY_ROWS,
      operations: settings.HEAVY_OPERATIONS,
      // Together, they use no more connections than all large operations may.
      connections: Math.max(1, Math.floor(large / settings.HEAVY_OPERATIONS)),
      writes: settings.HEAVY_WRITES,
      large,
    },
    rateLimits: { user: settings.RATE_LIMIT_USER, address: settings.RATE_LIMIT_ADDRESS },
    sockets: {
      ofUser: settings.MAX_SOCKETS_USER,
      ofAddress: settings.MAX_SOCKETS_ADDRESS,
      operations: settings.MAX_SOCKET_OPERATIONS,
      initTimeout: settings.SOCKET_INIT_TIMEOUT,
      keepalive: settings.SOCKET_KEEPALIVE,
    },
    trustedProxies: settings.TRUSTED_PROXIES,
    timeouts: {
      request: settings.REQUEST_TIMEOUT,
      keepAlive: settings.KEEP_ALIVE_TIMEOUT,
      statement: settings.STATEMENT_TIMEOUT,
      lock: settings.LOCK_TIMEOUT,
      idleInTransaction: settings.IDLE_IN_TRANSACTION_TIMEOUT,
      pool: settings.POOL_TIMEOUT,
      writeTurn: settings.WRITE_TURN_TIMEOUT,
      planning: settings.PLANNING_TIMEOUT,
      execution: settings.EXECUTION_TIMEOUT,
    },
    dataFolder: resolve(settings.PGCRM_DATA),
  };
}

function keySetOf(settings: z.infer<typeof environment>): Config["keySet"] {
  if (settings.JWKS_URL !== undefined) return { jwksUrl: settings.JWKS_URL };
  return settings.JWKS_FILE === undefined ? undefined : { jwksFile: resolve(settings.JWKS_FILE) };
}

function persistedOf(settings: z.infer<typeof environment>): Config["persisted"] {
  const { PERSISTED_OPERATIONS: folder, PERSISTED_ONLY: only } = settings;
  return folder === undefined ? undefined : { folder: resolve(folder), only };
}

/** Returns whether a key set can be fetched safely from a URL: the response decides on valid tokens. */
function isSafeUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return protocol === "https:" || (protocol === "http:" && isHere);
}

function isKeySet(path: string): boolean {
  try {
    createLocalJWKSet(JSON.parse(readFileSync(path, "utf8")) as JSONWebKeySet);
    return true;
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A setting that is a limit: a positive number. */
function limit(otherwise: number) {
  return wholeNumber(1, 999_999_999).default(otherwise);
}

function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, message)
    .transform(Number)
    .refine((value) => value >= least && value <= most, message);
}

/** Returns whether a text is exactly what a browser sends as the origin of a page. */
function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function oneOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, { error: `must be one of ${values.join(", ")}` });
}
