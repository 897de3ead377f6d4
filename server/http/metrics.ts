import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, timingSafeEqual } from "node:crypto";

import type { RequestHandler } from "express";
import type { Pool } from "pg";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { z } from "zod";

import { UnauthenticatedError } from "../errors/classes.ts";
import { describeOperation } from "./requests.ts";

/** One request that is being served, of HTTP or of a socket. */
export interface Observation {
  /** Does a part of serving it; what is noted meanwhile is noted of it. */
  run<Result>(work: () => Result): Result;
  /**
   * Counts it.
   *
   * @param code stands for it where nothing else was noted, `OK` if not given.
   */
  end(code?: string): void;
}

/** What is known of a request that is being served. */
interface Served {
  /** The kind of operation and its first field, such as `mutation createContact`. */
  operation: string;
  /** The code of its first error. */
  code?: string | undefined;
}

/** What a server counts and measures, for Prometheus. */
export interface Metrics {
  /** Counts a request of GraphQL and measures how long it takes. */
  readonly watch: RequestHandler;
  /** Begins to observe an operation that comes over a socket. */
  readonly observe: () => Observation;
  /** Notes that a socket was opened, or closed. */
  readonly countSockets: (change: 1 | -1) => void;
  /** Measures for how many seconds what is served has been behind what is defined. */
  readonly measureLag: (seconds: () => number) => void;
  /** Answers with the metrics whoever has the token. */
  readonly answer: RequestHandler;
  /** Notes that the request which is being served has an error with this code. */
  readonly noteError: (code: unknown) => void;
  /** Notes which operation is executed; only valid ones are, so there are not too many. */
  readonly plugin: GraphileConfig.Plugin;
}

/**
 * Makes the metrics of one server.
 *
 * @param pool whose connections are counted.
 * @param token what a bearer must present to read them.
 */
export function createMetrics(pool: Pool, token: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const current = new AsyncLocalStorage<Served>();
  collectDefaultMetrics({ register: registry });

  const requests = new Counter({
    name: "pgcrm_requests_total",
    help: "Requests of GraphQL by operation and code; OK where there is no error",
    labelNames: ["operation", "code"],
    registers,
  });
  const duration = new Histogram({
    name: "pgcrm_request_duration_seconds",
    help: "How long requests of GraphQL take, by operation",
    labelNames: ["operation"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  new Gauge({
    name: "pgcrm_pool_connections",
    help: "Connections to the database, by what they do",
    labelNames: ["state"],
    registers,
    collect() {
      this.set({ state: "idle" }, pool.idleCount);
      this.set({ state: "used" }, pool.totalCount - pool.idleCount);
    },
  });
  new Gauge({
    name: "pgcrm_pool_waiting",
    help: "Requests that wait for a connection",
    registers,
    collect() {
      this.set(pool.waitingCount);
    },
  });

  new Gauge({
    name: "pgcrm_unsealed_seconds",
    help: "For how long the oldest audit log entry has been waiting to be sealed",
    registers,
    async collect() {
      // While the database does not answer it is not known, which no number says.
      const seconds = await readUnsealed(pool).catch(() => NaN);
      this.set(seconds);
    },
  });

  const sockets = new Gauge({
    name: "pgcrm_sockets",
    help: "WebSockets that are open",
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
        if (statusCode === 101) return; // a socket now, of which operations are counted
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
        help: "For how long custom fields have been defined that are not served as they are",
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
      description: "Tells the metrics which operation is executed",
      grafserv: {
        middleware: {
          async processRequest(next) {
            const result = await next();
            const served = current.getStore();
            // What is refused before it is executed has been answered already, in few words.
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

/** The code of a request whose client left before it was answered. */
export const abandoned = "ABANDONED";

/** The code of the first error of an answer. */
function codeIn(buffer: Buffer): string | undefined {
  try {
    const answer = answerSchema.safeParse(JSON.parse(buffer.toString()));
    return answer.data?.errors[0].extensions.code;
  } catch {
    return undefined;
  }
}

/** Digests have one length, so comparing them takes one time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
