import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { decodeJwt, jwtVerify } from "jose";
import type pg from "pg";

import { colorsFor } from "../../../server/cli/colors.ts";
import { withConnection } from "../../../server/postgres/connect.ts";
import { changeUrl } from "../../../server/postgres/database-url.ts";
import { refuseMissingRoles } from "../../../server/postgres/roles.ts";
import { createTestDatabase, type TestDatabase } from "../../helpers/database.ts";
import { freePort, until } from "../../helpers/process.ts";
import { outcome } from "../../helpers/refusal.ts";

const entry = join(import.meta.dirname, "../../../bin/pgcrm.js");
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
  /** Resolves once the errors hold a text. */
  noted(text: string): Promise<void>;
}

/** Starts the command line with an environment that holds no setting but the given ones. */
function launch(
  parameters: string[],
  settings: Record<string, string> = {},
  program = entry,
): Command {
  const env = { PATH: process.env.PATH, PGCRM_DATA: dataFolder, ...settings };
  const child = spawn(process.execPath, [program, ...parameters], { env });
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
    async noted(text) {
      while (!errors.includes(text)) {
        const event = await Promise.race([once(child.stderr, "data"), ended]);
        if (!Array.isArray(event)) throw new Error(`It ended without "${text}": ${errors}`);
      }
    },
  };
}

const run = (parameters: string[], settings?: Record<string, string>) =>
  launch(parameters, settings).ended;

describe("the command line", () => {
  test.each([
    "start",
    "init",
    "url",
    "migrate",
    "status",
    "watch",
    "commit",
    "revert",
    "reset",
    "token",
    "key",
    "field",
    "doctor",
    "verify",
    "digest",
    "maintain",
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
    [false, {}, "gone"],
    [false, { FORCE_COLOR: "1" }, "gone"],
    [true, {}, "\u001b[31mgone\u001b[39m"],
    [true, { NO_COLOR: "1" }, "gone"],
  ])("paints on a terminal (%j) with %j", (isTTY, settings, painted) => {
    const before = { ...process.env };
    try {
      delete process.env.NO_COLOR;
      Object.assign(process.env, settings);
      expect(colorsFor({ isTTY }).red("gone")).toBe(painted);
    } finally {
      process.env = before;
    }
  });

  test("keeps errors free of colour where they go to a pipe, whatever is forced", async () => {
    const { errors } = await run(["fly"], { FORCE_COLOR: "1" });
    expect(errors).toContain("fly");
    expect(errors).not.toContain("\u001b");
  });

  test.each([
    [["fly"], {}, "fly"],
    [["token", "--role", "boss"], {}, "--role"],
    [["token", "--expires", "soon"], {}, "--expires"],
    [["key", "create", "zapier"], {}, "--role"],
    [["key", "create", "zapier", "--role", "boss"], {}, "--role"],
    [["field", "unindex", "contact"], {}, "name"],
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

test("whoever reads only the beginning of the output sees no error", async () => {
  const { child, ended } = launch(["--help"]);
  child.stdout?.destroy();
  expect(await ended).toMatchObject({ code: 0, errors: "" });
});

test("a server whose output nobody reads any more stops as when it is told to", async () => {
  const { child, ended } = launch(["start"], { PORT: String(await freePort()) });
  child.stdout?.destroy();
  expect(await ended).toMatchObject({ code: 0, errors: expect.stringContaining("Stopping.") });
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

      const revert = await run(["revert"], settings);
      expect([revert.code, revert.errors]).toEqual([
        2,
        expect.stringMatching(/^Reverting 000001 deletes data in the database .*--force/),
      ]);
      const undone = await run(["revert", "--force"], settings);
      expect(undone).toMatchObject({ code: 0, output: "Reverted 000001.\n" });
      expect((await run(["status"], settings)).output).toContain("applied: none");
      const { output: sql } = await run(["migrate", "--print"], settings);
      expect(sql).toMatch(/^-- 000001-first-release\.sql\n/);
      expect(sql).toContain("Locks:");
      expect(sql).not.toContain(":DATABASE_");
      expect((await run(["status"], settings)).output).toContain("applied: none");

      const refused = await run(["reset"], settings);
      expect(refused.code).toBe(2);
      expect(refused.errors).toContain("--force");
      expect((await run(["reset", "--force"], settings)).code).toBe(0);
    } finally {
      await database.drop();
    }
  });
});

describe("pgcrm url", () => {
  const urlOf = async (login: string, settings?: Record<string, string>) =>
    run(["url", login], settings);

  test("prints URLs of the embedded database by which its logins come in", async () => {
    const server = launch(["start"], { PORT: String(await freePort()) });
    try {
      await server.printed("npx pgcrm url");
      for (const [login, role] of [
        ["owner", "postgres"],
        ["server", "crm_server"],
        ["reporter", "crm_reporter"],
      ] as const) {
        const { code, output, errors } = await urlOf(login);
        expect([login, code, errors]).toEqual([login, 0, ""]);
        const { rows } = await withConnection(output.trim(), (client) =>
          client.query("select current_user::text as name"),
        );
        expect(rows).toEqual([{ name: role }]);
      }
    } finally {
      server.child.kill("SIGTERM");
      await server.ended;
    }
    const { output, errors } = await urlOf("owner");
    expect(output).toMatch(/^postgres:/);
    expect(errors).toContain("npx pgcrm start");
  });

  test("does not know the password of crm_reporter in a database of one's own", async () => {
    const { code, output, errors } = await urlOf("reporter", {
      DATABASE_URL: "postgres://crm@127.0.0.1:1/crm",
    });
    expect([code, output]).toEqual([2, ""]);
    expect(errors).toContain("\\password crm_reporter");
  });
});

describe("pgcrm init", () => {
  test("makes a project with the name of its folder, and leaves one with files alone", async () => {
    const parent = mkdtempSync(join(tmpdir(), "pgcrm-init-"));
    try {
      const folder = join(parent, "my-shop");
      const { code, output } = await run(["init", folder]);
      expect([code, output]).toEqual([0, expect.stringContaining("npm install")]);
      const project = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as object;
      expect(project).toMatchObject({
        name: "my-shop",
        dependencies: { pgcrm: expect.stringMatching(/^\^\d/) as unknown },
      });
      for (const name of [".env", ".gitignore", "pgcrm.config.ts", "db/migrations/current"]) {
        expect([name, existsSync(join(folder, name))]).toEqual([name, true]);
      }
      const again = await run(["init", folder]);
      expect([again.code, again.errors]).toEqual([1, expect.stringContaining("is not empty")]);
      const named = await run(["init", join(parent, "My Shop!")]);
      expect([named.code, named.errors]).toEqual([2, expect.stringContaining("my shop!")]);
    } finally {
      rmSync(parent, { recursive: true });
    }
  });
});

describe("the audit log's commands", () => {
  test("maintain, give the digest, verify, and tell by the exit code what was forged", async () => {
    const database = await createTestDatabase();
    const settings = { DATABASE_URL: database.ownerUrl };
    try {
      const maintained = await run(["maintain"], settings);
      expect(maintained).toMatchObject({
        code: 0,
        output: "Purged 0 deletions, expired 0 idempotency keys, sealed 6 entries.\n",
      });
      const { output } = await run(["digest"], settings);
      const digest = output.trim();
      expect(digest).toMatch(/^1-[0-9a-f]{64}$/);
      const sound = await run(["verify", "--digest", digest], settings);
      expect(sound.code).toBe(0);
      expect(sound.output).toContain(digest);

      await withConnection(database.ownerUrl, (client) =>
        client.query("update crm.audit_logs set user_id = 'mallory' where id = 3"),
      );
      const forged = await run(["verify"], settings);
      expect(forged.code).toBe(5);
      expect(forged.output).toContain("Entry 3 was altered after it was sealed.");
      expect((await run(["verify", "--digest", "x"], settings)).code).toBe(1);
    } finally {
      await database.drop();
    }
  });
});

describe("pgcrm key", () => {
  test.each(["create", "list", "revoke"])("explains %s with an example", async (command) => {
    const { code, output } = await run(["key", command, "--help"]);
    expect(code).toBe(0);
    expect(output).toContain(`npx pgcrm key ${command}`);
  });

  test("creates a key that it prints once, lists what is kept of it, and revokes it", async () => {
    const database = await createTestDatabase();
    const settings = { DATABASE_URL: database.ownerUrl };
    const key = (...parameters: string[]) => run(["key", ...parameters], settings);
    try {
      const [created] = await Promise.all([
        key("create", "zapier", "--role", "member", "--expires", "90d"),
        key("create", "export", "--role", "reader"),
      ]);
      expect(created.code).toBe(0);
      expect(created.output).toMatch(/^pgcrm_[\w-]{43}\n$/);
      expect(created.errors).not.toContain(created.output.trim());

      const { output } = await key("list", "--json");
      const secret = created.output.trim().slice(12);
      expect(output).not.toContain(secret);
      const keys = JSON.parse(output) as Record<string, unknown>[];
      expect(keys).toMatchObject([
        { name: "export", role: "reader", expiresAt: null },
        { name: "zapier", role: "member", prefix: created.output.slice(0, 12), revokedAt: null },
      ]);
      const { createdAt, expiresAt } = keys[1] as Record<string, string>;
      expect(Date.parse(expiresAt ?? "") - Date.parse(createdAt ?? "")).toBe(90 * 86_400_000);

      const revoked = await key("revoke", "zapier");
      expect([revoked.code, revoked.output]).toEqual([
        0,
        expect.stringContaining("The key zapier was revoked at"),
      ]);
      expect((await key("revoke", "zapier")).output).toBe(revoked.output);
      const list = (await key("list")).output.split("\n");
      expect(list[0]).toMatch(/^NAME +ROLE +PREFIX +CREATED +EXPIRES +LAST USED +STATE$/);
      expect(list[1]).toMatch(/^export +reader +pgcrm_[\w-]{6} +\S+ +never +never +valid$/);
      expect(list[2]).toMatch(/^zapier .* revoked$/);

      await withConnection(database.ownerUrl, async (client) => {
        const { rows } = await client.query<{ user_id: string }>(
          "select distinct user_id from crm.audit_logs where entity_type = 'api_key'",
        );
        expect(rows).toEqual([{ user_id: "db:postgres" }]);
      });
    } finally {
      await database.drop();
    }
  }, 120_000);

  test("says what is wrong with a name or a time span, and which key there is not", async () => {
    const database = await createTestDatabase();
    const settings = { DATABASE_URL: database.ownerUrl };
    try {
      const cases = [
        [["create", "A B", "--role", "reader"], 2, "name must consist of"],
        [
          ["create", "a", "--role", "reader", "--expires=-1d"],
          2,
          "expiresAt must be in the future",
        ],
        [["create", "a", "--role", "reader", "--expires", "soon"], 2, "--expires"],
        [["revoke", "a"], 1, "no API key named a"],
      ] as const;
      await Promise.all(
        cases.map(async ([parameters, code, culprit]) => {
          const outcome = await run(["key", ...parameters], settings);
          expect([outcome.code, outcome.output]).toEqual([code, ""]);
          expect(outcome.errors.trim()).toContain(culprit);
          expect(outcome.errors.trim()).not.toContain("\n");
        }),
      );
    } finally {
      await database.drop();
    }
    const empty = await createTestDatabase("template0");
    try {
      const { code, errors } = await run(["key", "list"], { DATABASE_URL: empty.ownerUrl });
      expect([code, errors]).toEqual([1, expect.stringContaining("npx pgcrm migrate")]);
    } finally {
      await empty.drop();
    }
  }, 120_000);
});

describe("pgcrm field", () => {
  let database: TestDatabase;
  const field = (...parameters: string[]) =>
    run(["field", ...parameters], { DATABASE_URL: database.ownerUrl });

  beforeAll(async () => {
    database = await createTestDatabase();
    await withConnection(database.ownerUrl, async (client) => {
      await client.query(
        `insert into crm.custom_field_definitions (name, label, entity_type, field_type)
         values ('size', 'Size', 'contact', 'number'), ('industry', 'Industry', 'company', 'text')`,
      );
      await client.query(
        `insert into crm.contacts (first_name, last_name, custom_fields)
         values ('Ada', 'Lovelace', '{"size": 1}')`,
      );
    });
  });

  afterAll(() => database.drop());

  const isValid = async (client: pg.Client, name: string): Promise<boolean | null | undefined> => {
    const { rows } = await client.query<{ isValid: boolean | null }>(
      `select (index).is_valid as "isValid"
       from crm.custom_field_definitions as definition
       cross join crm.custom_field_definitions_index(definition) as index
       where definition.name = $1`,
      [name],
    );
    return rows[0]?.isValid;
  };

  test.each(["index", "list", "unindex"])("explains %s with an example", async (command) => {
    const { code, output } = await run(["field", command, "--help"]);
    expect(code).toBe(0);
    expect(output).toContain(`npx pgcrm field ${command}`);
  });

  test("makes an index once, lists it and drops it", async () => {
    const indexed = await field("index", "company", "industry");
    expect(indexed).toMatchObject({
      code: 0,
      output: expect.stringMatching(
        /^Indexed the field industry of crm.companies in [\d.]+ s\.\n$/,
      ),
      errors: "",
    });
    const [again, list, json] = await Promise.all([
      field("index", "company", "industry"),
      field("list"),
      field("list", "--json"),
    ]);
    expect(again.output).toBe("The field industry of crm.companies is already indexed.\n");
    const lines = list.output.split("\n");
    expect(lines[0]).toMatch(/^ENTITY +FIELD +TYPE +INDEX +FIELDS +SIZE +SCANS$/);
    expect(lines[1]).toMatch(/^company +industry +text +spgist +industry +\d+ kB +\d+$/);
    expect(lines[2]).toMatch(/^contact +size +number +no$/);
    expect(JSON.parse(json.output)).toMatchObject([
      { entityType: "company", name: "industry", index: { method: "spgist", isValid: true } },
      { entityType: "contact", name: "size", fieldType: "number", index: null },
    ]);

    expect(await field("index", "contact", "size", "--prefix", "ownerId")).toMatchObject({
      code: 0,
    });
    expect((await field("list")).output).toMatch(/size +number +btree +ownerId, size /);
    const replaced = await field("index", "contact", "size");
    expect(replaced.errors).toBe("The index with another prefix is dropped first.\n");
    expect((await field("list")).output).toMatch(/size +number +btree +size /);
    expect(await field("index", "contact", "size", "--prefix", "emails")).toMatchObject({
      code: 1,
      errors: 'prefix "emails" is not a field of contact that an index can have.\n',
    });
    await field("unindex", "contact", "size");

    expect(await field("unindex", "company", "industry")).toMatchObject({
      code: 0,
      output: "Dropped the index of the field industry of crm.companies.\n",
    });
    expect((await field("unindex", "company", "industry")).output).toBe(
      "The field industry of crm.companies is not indexed.\n",
    );
  }, 120_000);

  test.each([
    ["index", "contact"],
    ["unindex", "contact"],
    ["index", "note"], // any entity type may have fields; the database knows which
  ])("%s says so when there is no such field of a %s", async (command, entityType) => {
    const { code, output, errors } = await field(command, entityType, "industry");
    expect([code, output]).toEqual([1, ""]);
    expect(errors.trim()).toBe(`There is no custom field industry of ${entityType}.`);
  });

  const isNotBuilding = async (client: pg.Client): Promise<boolean> => {
    const text = "select from pg_stat_progress_create_index where datname = current_database()";
    return (await client.query(text)).rowCount === 0;
  };

  /** Lends a build that waits for a writer, and so goes on until the writer ends. */
  async function whileBuilding(
    work: (build: Command, writer: pg.Client, observer: pg.Client) => Promise<void>,
  ): Promise<void> {
    await withConnection(database.ownerUrl, (writer) =>
      withConnection(database.ownerUrl, async (observer) => {
        await writer.query("begin");
        await writer.query("update crm.contacts set last_name = 'King'");
        const build = launch(
          ["field", "index", "contact", "size"],
          { DATABASE_URL: database.ownerUrl },
          join(import.meta.dirname, "../../../server/cli/cli.ts"),
        );
        await until(async () => (await isValid(observer, "size")) === false);
        await work(build, writer, observer);
        await writer.query("rollback");
        await field("unindex", "contact", "size");
      }),
    );
  }

  test(
    "builds while others write; a second build waits, and a change of definitions is refused",
    () =>
      whileBuilding(async (build, writer, observer) => {
        await observer.query(
          "insert into crm.contacts (first_name, last_name) values ('Grace', 'Hopper')",
        );
        const text = "delete from crm.custom_field_definitions where name = 'size'";
        expect(await outcome(observer.query(text))).toMatchObject({ code: "55P03" });

        const second = launch(["field", "index", "contact", "size"], {
          DATABASE_URL: database.ownerUrl,
        });
        await second.noted("Waiting until");
        await writer.query("commit");
        expect(await build.ended).toMatchObject({
          code: 0,
          output: expect.stringMatching(/^Indexed/),
        });
        expect(await second.ended).toMatchObject({
          code: 0,
          output: "The field size of crm.contacts is already indexed.\n",
        });
        expect(await isValid(observer, "size")).toBe(true);
      }),
    120_000,
  );

  test(
    "stopped by a signal it leaves nothing",
    () =>
      whileBuilding(async (build, writer, observer) => {
        build.child.kill("SIGINT");
        await until(() => isNotBuilding(observer));
        await writer.query("commit");
        expect(await build.ended).toMatchObject({
          code: 1,
          errors: "The build was stopped; no index was left behind.\n",
        });
        expect(await isValid(observer, "size")).toBeNull();
      }),
    120_000,
  );

  test(
    "replaces what a build has left whose connection broke",
    () =>
      whileBuilding(async (build, writer, observer) => {
        await observer.query(
          `select pg_terminate_backend(pid) from pg_stat_progress_create_index
         where datname = current_database()`,
        );
        const { code, errors } = await build.ended;
        expect([code, errors]).toEqual([
          1,
          expect.stringContaining("The next build drops an invalid index"),
        ]);
        expect(await isValid(observer, "size")).toBe(false);
        expect((await field("list")).output).toMatch(/size +number +invalid/);
        await writer.query("commit");
        const next = await field("index", "contact", "size");
        expect(next.code).toBe(0);
        expect(next.errors).toContain("An earlier build failed");
        expect(await isValid(observer, "size")).toBe(true);
      }),
    120_000,
  );

  test(
    "a build goes on in the database when its process is killed",
    () =>
      whileBuilding(async (build, writer, observer) => {
        build.child.kill("SIGKILL");
        await build.ended;
        await writer.query("commit");
        await until(async () => (await isValid(observer, "size")) === true);
      }),
    120_000,
  );
});

describe("pgcrm start", () => {
  test("serves, refuses a second start, stops on a signal, and finds its data again", async () => {
    const settings = { PORT: String(await freePort()), JWT_SECRET: secret };
    const address = `http://localhost:${settings.PORT}/`;
    const first = launch(["start"], settings);
    const banner = await first.printed("Ctrl-C");
    expect(banner).toContain(`${address}graphql`);
    expect(banner).toContain("npx pgcrm demo");
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
    expect(await third.printed("Ctrl-C")).not.toContain("npx pgcrm demo");
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
    expect(errors).toContain("set PORT to a free port");
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

  test("serves with the server's URL alone what somebody else has migrated, and waits for them", async () => {
    const database = await createTestDatabase("template0");
    const settings = { SERVER_DATABASE_URL: database.serverUrl, PORT: String(await freePort()) };
    const ready = `http://localhost:${settings.PORT}/readyz`;
    const readiness = async () =>
      (await fetch(ready).catch(() => undefined))?.json() as Promise<
        { ready: boolean; reason?: string } | undefined
      >;
    const server = launch(["start"], settings);
    try {
      await until(async () => (await readiness()) !== undefined);
      await until(async () => (await readiness())?.reason === "migrations are not current");
      expect((await run(["migrate"], { DATABASE_URL: database.ownerUrl })).code).toBe(0);
      await server.printed("Ctrl-C");
      expect(await readiness()).toEqual({ ready: true });
      const other = await run(["doctor"], { SERVER_DATABASE_URL: database.serverUrl });
      expect([other.code, other.errors.trim()]).toEqual([
        2,
        "This command requires the owner of the database: set DATABASE_URL to the owner's URL.",
      ]);
    } finally {
      server.child.kill("SIGTERM");
      expect((await server.ended).code).toBe(0);
      await database.drop();
    }
  }, 120_000);

  test.each([
    ["--no-migrate", ["start", "--no-migrate"], {}],
    ["MIGRATE_ON_START=false", ["start"], { MIGRATE_ON_START: "false" }],
  ])(
    "migrates nothing with %s",
    async (_, parameters, setting) => {
      const database = await createTestDatabase("template0");
      const settings = {
        DATABASE_URL: database.ownerUrl,
        PORT: String(await freePort()),
        ...setting,
      };
      const server = launch(parameters, settings);
      try {
        await until(async () =>
          fetch(`http://localhost:${settings.PORT}/readyz`).then(
            async (response) =>
              ((await response.json()) as { reason?: string }).reason ===
              "migrations are not current",
            () => false,
          ),
        );
        await withConnection(database.ownerUrl, async (client) => {
          const { rows } = await client.query("select to_regnamespace('crm') as schema");
          expect(rows).toEqual([{ schema: null }]);
        });
      } finally {
        server.child.kill("SIGTERM");
        expect((await server.ended).code).toBe(0);
        await database.drop();
      }
    },
    120_000,
  );

  test("refuses a password that is not that of crm_server, and changes none", async () => {
    const database = await createTestDatabase();
    const mistyped = changeUrl(database.serverUrl, { password: "mistyped" });
    const settings = {
      DATABASE_URL: database.ownerUrl,
      SERVER_DATABASE_URL: mistyped,
      PORT: String(await freePort()),
    };
    try {
      for (const command of ["start", "migrate"]) {
        const { code, errors } = await run([command], settings);
        expect([command, code]).toEqual([command, 1]);
        expect(errors).toContain(
          "The password of crm_server differs from the one in SERVER_DATABASE_URL",
        );
        expect(errors).not.toContain("mistyped");
      }
      const alone = await run(["start"], { SERVER_DATABASE_URL: mistyped, PORT: settings.PORT });
      expect([alone.code, alone.errors.trim().split("\n").length]).toEqual([1, 1]);
      expect(alone.errors).toContain("refuses the login");
      await withConnection(database.serverUrl, () => Promise.resolve()); // it is as it was
    } finally {
      await database.drop();
    }
  }, 120_000);

  test("ends with the process that has handed over to it, however that ends", async () => {
    const database = await createTestDatabase();
    const port = String(await freePort());
    const cli = join(import.meta.dirname, "../../../server/cli/cli.ts");
    // As bin/pgcrm.js does on a Node that is not the project's.
    const between = spawn(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { spawn } from "node:child_process";
         const stdio = ["inherit", "inherit", "inherit", "ipc"];
         spawn(process.execPath, [${JSON.stringify(cli)}, "start"], { stdio });`,
      ],
      {
        env: { PATH: process.env.PATH, DATABASE_URL: database.ownerUrl, PORT: port },
        stdio: "ignore",
      },
    );
    const answers = async () =>
      fetch(`http://localhost:${port}/healthz`).then(
        () => true,
        () => false,
      );
    try {
      await until(answers);
      between.kill("SIGKILL");
      await until(async () => !(await answers()));
    } finally {
      await database.drop();
    }
  }, 120_000);

  test("takes PostgreSQL's own variables for a URL", async () => {
    const database = await createTestDatabase("template0");
    const { hostname, port, username, password, pathname } = new URL(database.ownerUrl);
    const settings = {
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: decodeURIComponent(password),
      PGDATABASE: pathname.slice(1),
    };
    try {
      expect((await run(["migrate"], settings)).output).toMatch(/^Ran 000001/);
      const { code, errors } = await run(["migrate"], { ...settings, PGSSLMODE: "require" });
      expect([code, errors.trim()]).toEqual([
        1,
        expect.stringMatching(/^The database at \S+ does not support TLS, which sslmode/),
      ]);
    } finally {
      await database.drop();
    }
  }, 120_000);

  test("says which roles to create before it migrates for an owner who may not, and goes on where they are", async () => {
    const database = await createTestDatabase("template0");
    const name = new URL(database.ownerUrl).pathname.slice(1);
    const ownerUrl = changeUrl(database.ownerUrl, { user: `${name}_owner`, password: "secret" });
    const roles = ["crm_reader", "crm_member", "crm_admin", "crm_server", "crm_reporter"];
    const superuser = (text: string) =>
      withConnection(database.ownerUrl, (client) => client.query(text));
    await superuser(
      `create role ${name}_owner login password 'secret'; alter database ${name} owner to ${name}_owner`,
    );
    try {
      // The cluster of the tests has the roles: a database in which they are renamed has not.
      const migrated = await run(["migrate"], { DATABASE_URL: ownerUrl });
      expect([migrated.code, migrated.output]).toEqual([0, expect.stringMatching(/^Ran 000001/)]);
      expect(migrated.errors).toContain("SERVER_DATABASE_URL");
      await withConnection(ownerUrl, async (client) => {
        await expect(refuseMissingRoles(client)).resolves.toBeUndefined();
      });
      await withConnection(database.ownerUrl, async (client) => {
        await client.query("begin");
        for (const role of roles) await client.query(`alter role ${role} rename to ${role}_away`);
        await client.query(`set local role ${name}_owner`);
        const refusal = (await refuseMissingRoles(client).catch(
          (error: unknown) => error,
        )) as Error;
        await client.query("rollback");
        expect(refusal.name).toBe("Problem");
        // The statements are those that make what is missing.
        await client.query("begin");
        for (const role of roles) await client.query(`alter role ${role} rename to ${role}_away`);
        for (const line of refusal.message.split("\n").filter((text) => text.startsWith("  "))) {
          await client.query(line);
        }
        await client.query(`set local role ${name}_owner`);
        await expect(refuseMissingRoles(client)).resolves.toBeUndefined();
        await client.query("rollback");
      });
    } finally {
      await superuser(`alter database ${name} owner to postgres`);
      await superuser(`drop owned by ${name}_owner cascade; drop role ${name}_owner`);
      await database.drop();
    }
  }, 120_000);
});

async function graphql(address: string, token: string, query: string): Promise<unknown> {
  const response = await fetch(`${address}graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It does not listen.");
  return address.port;
}
