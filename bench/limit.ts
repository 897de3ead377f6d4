/**
 * LIMIT, the yardstick of `npm run bench -- requests`: a server written by hand for its operations and
 * nothing else. Each operation is one prepared statement in which PostgreSQL builds the text of the answer,
 * the same that the GraphQL API gives. What the database does for every writer (validation, row-level
 * security, the audit log) it does here too, and a token is verified for each request.
 *
 * POST /<operation> with the variables as JSON. DATABASE_URL is that of the server's login.
 */
import { createServer, type IncomingMessage } from "node:http";

import { jwtVerify } from "jose";
import pg, { type PoolClient, type QueryResult } from "pg";

import { clientOptions } from "../server/postgres/client.ts";
import { setSettings } from "../server/postgres/session.ts";
import { operations, type Variables } from "./limit-statements.ts";

/** The parts of `pg` that its types omit. */
interface Connection {
  bind(message: { portal: string; statement: string; values: string[] }): void;
  execute(message: { portal: string }): void;
}
interface ProtocolQuery {
  prepare(connection: Connection): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}
const ProtocolQuery = pg.Query as unknown as new (
  config: pg.QueryConfig,
  values: undefined,
  done: (error: Error | null, result: QueryResult<{ answer: string }>) => void,
) => ProtocolQuery;

/** A prepared statement that runs in one implicit transaction with the settings of its request. */
class RequestQuery extends ProtocolQuery {
  settings = "";
  #isSet = false;

  override prepare(connection: Connection): void {
    connection.bind({ portal: "", statement: "settings", values: [this.settings] });
    connection.execute({ portal: "" });
    super.prepare(connection);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#isSet) super.handleCommandComplete(message, connection);
    this.#isSet = true;
  }
}

const { DATABASE_URL: url, JWT_SECRET: secret, PORT: port } = process.env;
if (url === undefined || secret === undefined)
  throw new Error("DATABASE_URL, JWT_SECRET: required");
const key = new TextEncoder().encode(secret);
const pool = new pg.Pool({ ...clientOptions(url), max: 10 });
const ready = new WeakSet<PoolClient>();

async function run(name: string, variables: Variables, settings: string): Promise<string> {
  const operation = operations[name];
  if (operation === undefined) throw new Error(`There is no operation ${name}.`);
  const client = await pool.connect();
  try {
    if (!ready.has(client)) {
      await client.query("set jit = off; set timezone = 'UTC'");
      await client.query({ name: "settings", text: setSettings, values: ["{}"] });
      ready.add(client);
    }
    return await new Promise((resolve, reject) => {
      const config = { name, text: operation.text, values: operation.values(variables) };
      const query = new RequestQuery(config, undefined, (error, result) => {
        if (error) reject(error);
        else resolve(result.rows[0]?.answer ?? "");
      });
      query.settings = settings;
      client.query(query as unknown as pg.Submittable);
    });
  } finally {
    client.release();
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

createServer((request, response) => {
  const respond = (status: number, text: string) => {
    const length = Buffer.byteLength(text);
    response.writeHead(status, { "content-type": "application/json", "content-length": length });
    response.end(text);
  };
  const handle = async () => {
    if (request.url === "/readyz") return "";
    const token = request.headers.authorization?.slice("Bearer ".length) ?? "";
    const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"] });
    const settings = {
      role: `crm_${String(payload.role)}`,
      "crm.user_id": payload.sub,
      "crm.source": "api",
    };
    const variables = JSON.parse(await bodyOf(request)) as Variables;
    return run(request.url?.slice(1) ?? "", variables, JSON.stringify(settings));
  };
  handle().then(
    (text) => respond(200, text),
    (error: unknown) => respond(500, String(error)),
  );
}).listen(Number(port), "127.0.0.1");
