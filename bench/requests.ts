/**
 * Measures how close the API comes to LIMIT, a server written by hand (`limit.ts`), in usual operations:
 * the ratio of requests per second at 16 connections, and the CPU time of a request, in the server and in
 * PostgreSQL. Each operation is sent to LIMIT, to pgcrm as a document, and to pgcrm by the id of a
 * persisted operation, in turns; the figures are medians of the rounds. Linux only.
 *
 * `npm run bench -- requests 10000 R1 R2` measures two operations with 10,000 contacts; the default is all
 * operations with 100,000. BENCH_DATABASE_URL sets a database that is already filled; the benchmark
 * changes its rows. Nothing else should use that database: PostgreSQL's time is that of all its sessions.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type pg from "pg";

import { signToken } from "../server/auth/token.ts";
import { withConnection } from "../server/postgres/connect.ts";
import { deriveServerUrl } from "../server/postgres/server-login.ts";
import { fill } from "./crm.ts";
import { median, withBenchDatabase } from "./harness.ts";
import { chooseValues, documents, type Variables } from "./operations.ts";
import { cli, secret, withProcess } from "./server.ts";

const connections = 16;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);

/** How long an operation is sent to one target in one round, in milliseconds. */
const duration = Number(process.env.BENCH_DURATION ?? 1000);

const [, , , size = "100000", ...chosen] = process.argv;
const limitPort = 5097;
const pgcrmPort = 5098;

/** Where the requests of a column of the table go. */
interface Target {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  request(operation: string, variables: Variables): { path: string; body: string };
}

/** What a round measured. Times are microseconds of CPU for a request. */
interface Measured {
  readonly perSecond: number;
  readonly server: number;
  readonly postgres: number;
}

/** A connection that is kept alive. Node's own client would need more time than the servers. */
class Connection {
  readonly #socket: Socket;
  readonly #headers: string;
  #received: Buffer = Buffer.alloc(0);
  #settle: { resolve: (body: string) => void; reject: (error: Error) => void } | undefined;

  constructor(port: number, token: string) {
    this.#headers = `host: 127.0.0.1\r\nauthorization: Bearer ${token}\r\naccept: application/json\r\ncontent-type: application/json\r\n`;
    this.#socket = connect(port, "127.0.0.1").setNoDelay(true);
    this.#socket.on("error", (error) => this.#settle?.reject(error));
    this.#socket.on("close", () => this.#settle?.reject(new Error("The connection was closed.")));
    this.#socket.on("data", (data) => this.#read(data));
  }

  /** Returns the answer. Throws for one with an error. */
  async send({ path, body }: { path: string; body: string }): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      const length = Buffer.byteLength(body);
      this.#socket.write(
        `POST ${path} HTTP/1.1\r\n${this.#headers}content-length: ${length}\r\n\r\n${body}`,
      );
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#received.toString("latin1", 0, end);
    const length = /^content-length: (\d+)/im.exec(head)?.[1];
    if (length === undefined) {
      this.#settle?.reject(new Error(`The answer has no length: ${head}`));
      return;
    }
    if (this.#received.length < end + 4 + Number(length)) return;
    const body = this.#received.toString("utf8", end + 4);
    this.#received = Buffer.alloc(0);
    if (head.startsWith("HTTP/1.1 200") && !body.includes('"errors":')) this.#settle?.resolve(body);
    else this.#settle?.reject(new Error(`${head}\n\n${body.slice(0, 1000)}`));
  }
}

/** Returns the CPU time of a process, in microseconds; 0 if it has ended. */
function cpu(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10_000; // user and system, in ticks of 10 ms
  } catch {
    return 0;
  }
}

async function compare(client: pg.Client, url: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-operations-"));
  const ids = new Map<string, string>();
  for (const [name, document] of Object.entries(documents)) {
    const id = createHash("sha256").update(document).digest("hex");
    ids.set(name, id);
    writeFileSync(join(folder, `${id}.graphql`), document);
  }
  const pgcrm = {
    ...{ script: cli, args: ["start"], port: pgcrmPort },
    variables: {
      ...{ DATABASE_URL: url, NODE_ENV: "production", PERSISTED_OPERATIONS: folder },
      ...{ RATE_LIMIT_USER: "999999999", RATE_LIMIT_ADDRESS: "999999999" },
    },
  };
  const limit = {
    ...{ script: join(import.meta.dirname, "limit.ts"), port: limitPort },
    variables: { DATABASE_URL: deriveServerUrl(url) },
  };
  try {
    await withProcess(pgcrm, async (pid) => {
      await withProcess(limit, async (limitPid) => {
        const target = (name: string, body: (operation: string) => object): Target => ({
          ...{ name, pid, port: pgcrmPort },
          request: (operation, variables) => ({
            path: "/graphql",
            body: JSON.stringify({ ...body(operation), variables }),
          }),
        });
        await measureAll(client, [
          {
            ...{ name: "LIMIT", pid: limitPid, port: limitPort },
            request: (operation, variables) => ({
              path: `/${operation}`,
              body: JSON.stringify(variables),
            }),
          },
          target("any document", (operation) => ({ query: documents[operation] })),
          target("persisted", (operation) => ({ documentId: ids.get(operation) })),
        ]);
      });
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measureAll(client: pg.Client, targets: readonly Target[]): Promise<void> {
  const token = await signToken(secret, { role: "member", user: "bench", expires: "24h" });
  const [, pgcrm] = targets;
  if (pgcrm === undefined) return;
  const { next, most } = await chooseValues(
    client,
    (rounds + 1) * targets.length,
    await cursorOf(pgcrm, token),
  );

  async function equal(operation: string): Promise<void> {
    const answers: string[] = [];
    const same = next(operation);
    for (const target of targets) {
      // A row can be deleted only once, so that the ids of what was written differ.
      const variables = operation === "W4" ? next(operation) : same;
      const connection = new Connection(target.port, token);
      const answer = await connection.send(target.request(operation, variables));
      connection.close();
      const text = JSON.stringify(JSON.parse(answer));
      answers.push(operation.startsWith("W") ? text.replace(/[0-9a-f-]{32,36}/g, "…") : text);
    }
    const [wanted, ...others] = answers;
    if (others.some((answer) => answer !== wanted) || wanted === undefined) {
      throw new Error(`The answers to ${operation} differ:\n${answers.join("\n")}`);
    }
    if (wanted.length < 60) throw new Error(`The answer to ${operation} has no rows: ${wanted}`);
  }

  async function backends(): Promise<Map<number, number>> {
    const { rows } = await client.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    return new Map(rows.map(({ pid }) => [pid, cpu(pid)]));
  }

  async function load(operation: string, target: Target, time: number): Promise<Measured> {
    const open = Array.from({ length: connections }, () => new Connection(target.port, token));
    const before = { server: cpu(target.pid), postgres: await backends() };
    let left = most(operation);
    let done = 0;
    const start = performance.now();
    await Promise.all(
      open.map(async (connection) => {
        while (performance.now() < start + time && left > 0) {
          left -= 1;
          const name = operation === "mix" ? mixed() : operation;
          await connection.send(target.request(name, next(name)));
          done += 1;
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    const server = cpu(target.pid) - before.server;
    let postgres = 0;
    for (const [pid, now] of await backends()) postgres += now - (before.postgres.get(pid) ?? 0);
    for (const connection of open) connection.close();
    return { perSecond: done / seconds, server: server / done, postgres: postgres / done };
  }

  const names = chosen.length > 0 ? chosen : [...Object.keys(documents), "mix"];
  print("", ...targets.map(({ name }) => name));
  for (const operation of names) {
    if (operation !== "mix") await equal(operation);
    for (const target of targets) await load(operation, target, duration / 2); // warms up
    const measured = targets.map((): Measured[] => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [i, target] of targets.entries()) {
        measured[i]?.push(await load(operation, target, duration));
      }
    }
    const of = (list: readonly Measured[], key: keyof Measured) =>
      median(list.map((one) => one[key]));
    const limit = of(measured[0] ?? [], "perSecond");
    print(
      operation,
      ...measured.map((list, i) => {
        const rate = of(list, "perSecond");
        const first = i === 0 ? `${rate.toFixed(0)}/s` : (rate / limit).toFixed(2);
        return `${first} (${of(list, "server").toFixed(0)} + ${of(list, "postgres").toFixed(0)})`;
      }),
    );
  }
}

/** Returns a cursor of the list of `R7`. */
async function cursorOf(target: Target, token: string): Promise<string> {
  const connection = new Connection(target.port, token);
  const answer = await connection.send(target.request("R7", {}));
  connection.close();
  const cursor = /"endCursor":"([^"]+)"/.exec(answer)?.[1];
  if (cursor === undefined) throw new Error(`There is no cursor in ${answer}`);
  return cursor;
}

/** Four of five requests read. */
function mixed(): string {
  const names = Math.random() < 0.8 ? ["R1", "R2", "R3", "R4", "R5", "R6", "R7"] : ["W1", "W2"];
  return names[Math.floor(Math.random() * names.length)] ?? "R1";
}

function print(...cells: readonly string[]): void {
  const [name = "", ...others] = cells;
  process.stdout.write(`${name.padEnd(4)}${others.map((cell) => cell.padStart(24)).join("")}\n`);
}

const filled = process.env.BENCH_DATABASE_URL;
if (filled !== undefined) {
  await withConnection(filled, (client) => compare(client, filled));
} else {
  await withBenchDatabase(async (client, url) => {
    await fill(client, Number(size));
    await compare(client, url);
  });
}
