import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { decodeJwt, jwtVerify } from "jose";

import { withConnection } from "../server/connect.ts";
import { createTestDatabase } from "./helpers/database.ts";

const entry = join(import.meta.dirname, "..", "bin", "pgcrm.js");
const secret = "0123456789abcdef0123456789abcdef";

let dataFolder: string;
const running = new Set<ChildProcess>();

beforeAll(() => {
  dataFolder = mkdtempSync(join(tmpdir(), "pgcrm-cli-"));
  chmodSync(dataFolder, 0o755);
});
afterAll(() => rmSync(dataFolder, { recursive: true }));
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

interface Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  /** Resolves once the output holds a text. */
  printed(text: string): Promise<string>;
}

/** Starts the command line with an environment that holds no setting but the given ones. */
function launch(parameters: string[], settings: Record<string, string> = {}): Command {
  const env = { PATH: process.env.PATH, PGCRM_DATA: dataFolder, ...settings };
  const child = spawn(process.execPath, [entry, ...parameters], { env });
  running.add(child);
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return { code: code as number | null, output, errors };
  });
  return {
    child,
    ended,
    async printed(text) {
      while (!output.includes(text)) {
        const event = await Promise.race([once(child.stdout, "data"), ended]);
        if (!Array.isArray(event)) throw new Error(`It ended without "${text}": ${errors}`);
      }
      return output;
    },
  };
}

const run = (parameters: string[], settings?: Record<string, string>) =>
  launch(parameters, settings).ended;

describe("the command line", () => {
  test.each([
    "start",
    "migrate",
    "status",
    "watch",
    "commit",
    "revert",
    "reset",
    "token",
    "doctor",
    "demo",
  ])("explains %s with an example", async (command) => {
    const { code, output } = await run([command, "--help"]);
    expect(code).toBe(0);
    expect(output).toContain(`npx pgcrm ${command}`);
  });

  test("explains its exit codes, and uses no colour where there is no terminal", async () => {
    const { code, output } = await run(["--help"]);
    expect(code).toBe(0);
    expect(output).toContain("Exit codes:");
    expect(output).not.toContain("\u001b");
  });

  test.each([
    [["fly"], {}, "fly"],
    [["token", "--role", "boss"], {}, "--role"],
    [["token", "--expires", "soon"], {}, "--expires"],
    [["status"], { PORT: "http" }, "PORT"],
    [["start"], { NODE_ENV: "production" }, "JWT_SECRET"],
    [["start"], { DATABASE_URL: "mysql://db/crm" }, "DATABASE_URL"],
  ])("ends with 2 and one line for %j with %j", async (parameters, settings, culprit) => {
    const { code, errors } = await run(parameters, settings);
    expect(code).toBe(2);
    expect(errors.trim()).toContain(culprit);
    expect(errors.trim()).not.toContain("\n");
  });

  test("says so when no database answers", async () => {
    const { code, errors } = await run(["status"], {
      DATABASE_URL: "postgres://crm:hunter2@127.0.0.1:1/crm",
    });
    expect(code).toBe(1);
    expect(errors).toContain("postgres://crm@127.0.0.1:1/crm");
    expect(errors).not.toContain("hunter2");
  });
});

describe("pgcrm token", () => {
  test("signs a role, a user and a time span with JWT_SECRET", async () => {
    const { output } = await run(["token", "--role", "admin", "--user", "ann", "--expires", "2h"], {
      JWT_SECRET: secret,
    });
    const { payload } = await jwtVerify(output.trim(), new TextEncoder().encode(secret));
    expect(payload).toMatchObject({ role: "admin", sub: "ann" });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(7200);
  });

  test("gives members twelve hours unless told otherwise", async () => {
    const { output } = await run(["token"]);
    const { role, exp, iat } = decodeJwt(output.trim());
    expect(role).toBe("member");
    expect((exp ?? 0) - (iat ?? 0)).toBe(12 * 3600);
  });
});

describe("the database commands", () => {
  test("migrate, tell where a database stands, and empty it when forced", async () => {
    const database = await createTestDatabase("template0");
    const settings = { DATABASE_URL: database.ownerUrl };
    try {
      expect((await run(["migrate"], settings)).code).toBe(0);
      expect((await run(["migrate"], settings)).output).toBe("Up to date.\n");
      const { output } = await run(["status"], settings);
      expect(output).toContain("pending: none");

      await withConnection(database.ownerUrl, (client) =>
        client.query("alter table crm.notes disable row level security"),
      );
      const sick = await run(["doctor"], settings);
      expect(sick.code).toBe(5);
      expect(sick.output).toContain("table crm.notes has no row-level security\n");

      const refused = await run(["reset"], settings);
      expect(refused.code).toBe(2);
      expect(refused.errors).toContain("--force");
      expect((await run(["reset", "--force"], settings)).code).toBe(0);
    } finally {
      await database.drop();
    }
  });
});

describe("pgcrm start", () => {
  test("serves, refuses a second start, stops on a signal, and finds its data again", async () => {
    const settings = { PORT: String(await freePort()), JWT_SECRET: secret };
    const address = `http://localhost:${settings.PORT}/`;
    const first = launch(["start"], settings);
    const banner = await first.printed("Ctrl-C");
    expect(banner).toContain(`${address}graphql`);
    const token = /eyJ\S+/.exec(banner)?.[0] ?? "";
    expect(decodeJwt(token)).toMatchObject({ role: "admin" });
    expect((await fetch(`${address}readyz`)).status).toBe(200);

    const second = await run(["start"], { ...settings, PORT: String(await freePort()) });
    expect(second.code).toBe(1);
    expect(second.errors).toContain(`already running on this database and serves at ${address}`);

    const created = await graphql(
      address,
      token,
      `
        mutation {
          createCompany(input: { company: { name: "Kept Ltd" } }) {
            company {
              name
            }
          }
        }
      `,
    );
    expect(created).toEqual({ data: { createCompany: { company: { name: "Kept Ltd" } } } });

    first.child.kill("SIGINT");
    expect((await first.ended).code).toBe(0);
    expect(existsSync(join(dataFolder, "postgres", "data", "postmaster.pid"))).toBe(false);

    const third = launch(["start"], settings);
    await third.printed("Ctrl-C");
    expect(await graphql(address, token, "{ companies { nodes { name } } }")).toEqual({
      data: { companies: { nodes: [{ name: "Kept Ltd" }] } },
    });
    third.child.kill("SIGTERM");
    expect((await third.ended).code).toBe(0);
  });

  test("names PORT when another program has it, and leaves no database running", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { code, errors } = await run(["start"], { PORT: String(portOf(other)) });
    other.close();
    expect(code).toBe(1);
    expect(errors).toContain("set PORT to a free one");
    expect(existsSync(join(dataFolder, "postgres", "data", "postmaster.pid"))).toBe(false);
  });

  test("serves from the database that DATABASE_URL names, which it leaves running", async () => {
    const database = await createTestDatabase("template0");
    const settings = { DATABASE_URL: database.ownerUrl, PORT: String(await freePort()) };
    try {
      const server = launch(["start"], settings);
      await server.printed("Ctrl-C");
      expect((await fetch(`http://localhost:${settings.PORT}/readyz`)).status).toBe(200);
      server.child.kill("SIGTERM");
      expect((await server.ended).code).toBe(0);
      expect((await run(["status"], settings)).code).not.toBe(1);
    } finally {
      await database.drop();
    }
  });
});

async function graphql(address: string, token: string, query: string): Promise<unknown> {
  const response = await fetch(`${address}graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const port = portOf(probe);
  probe.close();
  await once(probe, "close");
  return port;
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It does not listen.");
  return address.port;
}
