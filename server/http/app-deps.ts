import type { Logger } from "pino";

import type { TokenRules } from "../auth/token-keys.ts";
import type { MaintenanceIntervals } from "../doctor/maintenance.ts";
import type { Extension } from "../extension.ts";
import type { Limits } from "../graphql/limits/limits.ts";
import type { TurnLimits } from "../graphql/limits/turns.ts";
import type { GraphiqlTokens } from "../graphql/serving/graphiql.ts";
import type { PersistedRules } from "../graphql/persisted/operations.ts";
import type { Timeouts } from "../postgres/timeouts.ts";
import type { RateLimits } from "./rate-limit.ts";
import type { SocketLimits } from "./socket-hub.ts";

/** The settings of a server, and what it uses. */
export interface AppDeps {
  /** The URL of the database, with the login of `crm_server`. */
  serverUrl: string;
  /** The maximum number of open connections to the database. */
  poolSize: number;
  /** Whether each connection prepares its statements; true if not given. */
  preparedStatements?: boolean | undefined;
  /** The tokens that are accepted. */
  tokenRules: TokenRules;
  logger: Logger;
  /** The bearer token for reading `/metrics`. Without it, nothing is measured. */
  metricsToken?: string | undefined;
  /** The limits of one request. */
  limits: Limits;
  /** The operations that are heavy, and how many of them run at once. */
  heavy: TurnLimits;
  /** The limits of requests per minute. */
  rateLimits: RateLimits;
  /** The limits of WebSockets. */
  sockets: SocketLimits;
  /** The number of proxies before the server, each of which adds to `X-Forwarded-For`. */
  trustedProxies: number;
  /** The timeouts of the parts of a request. */
  timeouts: Timeouts;
  /** The tokens that GraphiQL sends; for development only. */
  graphiqlTokens?: GraphiqlTokens | undefined;
  /** Whether GraphiQL is served. */
  graphiql: boolean;
  /** Whether introspection is allowed, and errors suggest names for misspelt fields. */
  introspection: boolean;
  /** The folder of persisted operations, and whether only these are served. Without it, there are none. */
  persisted?: PersistedRules | undefined;
  /** Whether queries may also be sent by GET. */
  queriesByGet: boolean;
  /** The origins whose pages may send requests from a browser. */
  allowedOrigins: readonly string[];
  /** Whether pages of this machine may send requests, too, at any port. */
  localOrigins: boolean;
  /** Whether responses of more than 1 kB are compressed. */
  compression: boolean;
  /** How long requests may continue after `close`, in milliseconds. */
  shutdownGrace: number;
  /** How often the audit log is maintained. Without it, this server does not maintain it. */
  maintenance?: MaintenanceIntervals | undefined;
  /** How often changes of custom fields are checked for, in milliseconds. Without it, never. */
  customFieldsInterval?: number | undefined;
  /** The extension of the application. */
  extension?: Extension | undefined;
  /** Prepares the database before its schema is read. It is repeated while the database is away. */
  prepare?: (() => Promise<void>) | undefined;
}
