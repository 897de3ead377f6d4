import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, timingSafeEqual } from "node:crypto";

import type { RequestHandler } from "express";
import type { Pool } from "pg";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { z } from "zod";

import { UnauthenticatedError } from "../errors/classes.ts";
import { describeOperation } from "./requests.ts";

/** The observation of one request, by HTTP or over a WebSocket. */
export interface Observation {
  /** Runs a part of the request. Operations and errors that are recorded during it belong to the request. */
  run<Result>(work: () => Result): Result;
  /**
   * Counts the request.
   *
   * @param code its code if no error was recorded; by default `OK`.
   */
  end(code?: string): void;
}

/** The properties of a request that is being served. */
interface Served {
  /** The kind of operation and its first field, such as `mutation createContact`. */
  operation: string;
  /** The code of its first error. */
  code?: string | undefined;
}

/** The metrics of a server, for Prometheus. */
export interface Metrics {
  /** Counts a GraphQL request and measures its duration. */
  readonly watch: RequestHandler;
  /** Starts the observation of an operation over a WebSocket. */
  readonly observe: () => Observation;
  /** Records that a WebSocket was opened or closed. */
  readonly countSockets: (change: 1 | -1) => void;
  /** Measures for how many seconds the API has been behind the definitions of custom fields. */
  readonly measureLag: (seconds: () => number) => void;
  /** Returns the metrics to a client with the token. */
  readonly answer: RequestHandler;
  /** Records the code of an error of the current request. */
  readonly noteError: (code: unknown) => void;
  /** Records the executed operation. Only valid operations are executed, so their number is limited. */
  readonly plugin: GraphileConfig.Plugin;
}

/**
 * Creates the metrics of one server.
 *
 * @param pool the pool whose connections are counted.
 * @param token the bearer token that is required to read the metrics.
 */
export function createMetrics(pool: Pool, token: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const current = new AsyncLocalStorage<Served>();
  collectDefaultMetrics({ register: registry });

  const requests = new Counter({
    name: "pgcrm_requests_total",
    help: "GraphQL requests by operation and error code, or OK",
    labelNames: ["operation", "code"],
    registers,
  });
  const duration = new Histogram({
    name: "pgcrm_request_duration_seconds",
    help: "Duration of GraphQL requests by operation",
    labelNames: ["operation"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  new Gauge({
    name: "pgcrm_pool_connections",
    help: "Database connections by state",
    labelNames: ["state"],
    registers,
    collect() {
      this.set({ state: "idle" }, pool.idleCount);
      this.set({ state: "used" }, pool.totalCount - pool.idleCount);
    },
  });
  new Gauge({
    name: "pgcrm_pool_waiting",
    help: "Requests that wait for a database connection",
    registers,
    collect() {
      this.set(pool.waitingCount);
    },
  });

  new Gauge({
    name: "pgcrm_unsealed_seconds",
    help: "How long the oldest unsealed audit log entry has been waiting",
    registers,
    async collect() {
      // NaN: the value is unknown while the database does not answer.
      const seconds = await readUnsealed(pool).catch(() => NaN);
      this.set(seconds);
    },
  });

  const sockets = new Gauge({
    name: "pgcrm_sockets",
    help: "Open WebSockets",
    registers,
  });

  function observe(): Observation {
    const served: Served = { operation: "none" };
    const begin = performance.now();
    return {
      run: (work) => current.run(served, work),
      end(code = "OK") {
        const { operation } = served;
        requests.inc({ operation, code: code === abandoned ? code : (served.code ?? code) });
        duration.observe({ operation }, (performance.now() - begin) / 1000);
      },
    };
  }

  return {
    watch(_request, response, next) {
      const observation = observe();
      response.once("close", () => {
        const { statusCode, writableFinished } = response;
        if (statusCode === 101) return; // a WebSocket now, whose operations are counted
        const status = statusCode < 400 ? "OK" : `HTTP_${statusCode}`;
        observation.end(writableFinished ? status : abandoned);
      });
      observation.run(next);
    },

    observe,

    countSockets: (change) => sockets.inc(change),

    measureLag(seconds) {
      new Gauge({
        name: "pgcrm_custom_fields_behind_seconds",
        help: "How long the API has been behind the definitions of custom fields",
        registers,
        collect() {
          this.set(seconds());
        },
      });
    },

    async answer(request, response) {
      const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
      if (!timingSafeEqual(digest(given), digest(token))) throw new UnauthenticatedError();
      response.setHeader("content-type", registry.contentType);
      response.end(await registry.metrics());
    },

    noteError(code) {
      const served = current.getStore();
      if (served !== undefined && typeof code === "string") served.code ??= code;
    },

    plugin: {
      name: "MetricsPlugin",
      version: "1.0.0",
      description: "Records the executed operation for the metrics",
      grafserv: {
        middleware: {
          async processRequest(next) {
            const result = await next();
            const served = current.getStore();
            // If an operation is refused before its execution, its response is small and contains the code.
            if (served?.operation === "none" && result?.type === "buffer") {
              served.code ??= codeIn(result.buffer);
            }
            return result;
          },
        },
      },
      grafast: {
        middleware: {
          execute(next, { args }) {
            const served = current.getStore();
            if (served !== undefined)
              served.operation = describeOperation(args.document, args.operationName);
            return next();
          },
        },
      },
    },
  };
}

async function readUnsealed(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ seconds: number }>(
    "select crm_private.unsealed_seconds() as seconds",
  );
  return rows[0]?.seconds ?? NaN;
}

const answerSchema = z.object({
  errors: z.tuple([z.object({ extensions: z.object({ code: z.string() }) })], z.unknown()),
});

/** The code of a request whose client disconnected before the response. */
export const abandoned = "ABANDONED";

/** Returns the code of the first error of a response. */
function codeIn(buffer: Buffer): string | undefined {
  try {
    const answer = answerSchema.safeParse(JSON.parse(buffer.toString()));
    return answer.data?.errors[0].extensions.code;
  } catch {
    return undefined;
  }
}

/** Hashes a token. Hashes have the same length, so that they can be compared in constant time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
