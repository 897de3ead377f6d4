import { createHash, timingSafeEqual } from "node:crypto";

import type { RequestHandler } from "express";
import type { ServerResponse } from "node:http";
import type { Pool } from "pg";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

import { UnauthenticatedError } from "../errors/classes.ts";
import type { CurrentRequest } from "./requests.ts";

/** The metrics of a server, for Prometheus. */
export interface Metrics {
  /** Counts a GraphQL request by HTTP and measures its duration, when it is completed. */
  readonly watch: (request: CurrentRequest, response: ServerResponse) => void;
  /**
   * Counts a completed request, by HTTP or over a WebSocket. Only valid operations are executed, so the
   * number of their names is limited.
   *
   * @param code its code if it has no error; {@link abandoned} in any case.
   */
  readonly count: (request: CurrentRequest, code: string) => void;
  /** Records that a WebSocket was opened or closed. */
  readonly countSockets: (change: 1 | -1) => void;
  /** Measures for how many seconds the API has been behind the definitions of custom fields. */
  readonly measureLag: (seconds: () => number) => void;
  /** Returns the metrics to a client with the token. */
  readonly answer: RequestHandler;
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

  const count: Metrics["count"] = ({ operation = "none", code: known, begin }, code) => {
    requests.inc({ operation, code: code === abandoned ? code : (known ?? code) });
    duration.observe({ operation }, (performance.now() - begin) / 1000);
  };

  return {
    watch(request, response) {
      response.once("close", () => {
        const { statusCode, writableFinished } = response;
        if (statusCode === 101) return; // a WebSocket now, whose operations are counted
        const status = statusCode < 400 ? "OK" : `HTTP_${statusCode}`;
        count(request, writableFinished ? status : abandoned);
      });
    },

    count,

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
  };
}

async function readUnsealed(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ seconds: number }>(
    "select crm_private.unsealed_seconds() as seconds",
  );
  return rows[0]?.seconds ?? NaN;
}

/** The code of a request whose client disconnected before the response. */
export const abandoned = "ABANDONED";

/** Hashes a token. Hashes have the same length, so that they can be compared in constant time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
