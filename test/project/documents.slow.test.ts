import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";

import { signToken } from "../../server/auth/token.ts";
import { createTestDatabase, type TestDatabase } from "../helpers/database.ts";
import {
  type Block,
  documents,
  readBlocks,
  readDocument,
  withoutGenerated,
} from "../helpers/documents.ts";
import { runShell } from "../helpers/recipes.ts";
import { type Answer, jwtSecret, startTestServer, type TestServer } from "../helpers/server.ts";

/*
 * Every block of code in a document is run here, in order, against a database and a server of the
 * document's own, and answers are compared with those that are printed. docs/contributing/documents.md
 * says what becomes of which language. Blocks that npm run docs writes are compared in docs.test.ts.
 */

const root = resolve(import.meta.dirname, "../..");

/** Documents whose blocks have a test of their own, which names the document. */
const elsewhere: Readonly<Record<string, string>> = {
  "docs/contributing/add-a-column.md": "test/recipes/column.slow.test.ts",
  "docs/contributing/add-a-command.md": "test/recipes/server.slow.test.ts",
  "docs/contributing/add-a-graphql-plugin.md": "test/recipes/server.slow.test.ts",
  "docs/explanation/custom-fields.md": "test/recipes/operations.slow.test.ts",
  "examples/crm/README.md": "scripts/test-package.js",
  "docs/how-to/build-an-application.md": "scripts/test-package.js",
  "docs/how-to/archive-months.md": "test/recipes/operations.slow.test.ts",
  "examples/web/README.md": "test/examples/web.slow.test.ts",
  "docs/how-to/back-up-and-restore.md": "test/recipes/operations.slow.test.ts",
  "docs/how-to/recompute-search.md": "test/recipes/operations.slow.test.ts",
};

/** Blocks that are not run, by how they begin, and why. */
const notRun: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "CONTRIBUTING.md": { "npm ci": "installs what these tests run in" },
  "README.md": {
    "npm start": "starts what these tests run in; the tests of the command line run it",
  },
  "docs/contributing/change-the-schema.md": {
    "npm run db:": "changes the working tree; the recipe of a column runs most of it in a copy",
  },
  "docs/contributing/conventions.md": {
    "raise exception": "an excerpt",
    "/*": "the header of a migration",
    "test(": "an excerpt",
  },
  "docs/contributing/tests.md": { "npm run test:mutants": "takes hours" },
  "docs/how-to/go-back.md": { "npx pgcrm revert": "the tests of migrations revert" },
  "docs/how-to/persist-operations.md": { "npx pgcrm persist": "it has tests of its own" },
  "docs/how-to/run-with-docker.md": { "docker compose": "needs a container engine" },
  "docs/how-to/use-pgbouncer.md": { ignore_startup: "the tests of identity run PgBouncer" },
  "docs/how-to/use-react-admin.md": {
    import: "npm run test:clients creates the data provider in this way",
    "<Edit": "an excerpt",
  },
  "docs/how-to/use-websockets.md": { import: "the tests of sockets open them in this way" },
  "docs/how-to/use-your-own-postgresql.md": {
    "DATABASE_URL=": "needs a host; the tests of the command line start with a URL",
    "export PGSSLMODE": "needs a host; the tests of TLS encrypt",
  },
  "docs/tutorials/build-a-client.md": {
    "schema: ": "examples/web is generated like this, and its test compiles it",
    "import { cacheExchange": "needs a bundler",
    "import { InMemoryCache": "needs a bundler",
    '{\n  "src"': "npm run test:clients compiles with such a file",
  },
  "docs/tutorials/first-contact.md": { "npm start": "the tests of the command line run it" },
};

/** What a document takes for granted, in SQL. */
const setups: Readonly<Record<string, string>> = {
  "docs/how-to/index-a-custom-field.md": `
    insert into crm.custom_field_definitions (name, label, entity_type, field_type, enum_values)
    values
      ('industry', 'Industry', 'contact', 'text', null),
      ('region', 'Region', 'deal', 'enum', '{north,south}')`,
};

/** Whether PostgreSQL's own client is here: apt-get install postgresql-client. */
const hasPsql = (process.env.PATH ?? "")
  .split(delimiter)
  .some((folder) => existsSync(join(folder, "psql")));

const written = await Promise.all(
  documents.map(async (path) => ({
    path,
    blocks: readBlocks(withoutGenerated(await readDocument(path))),
  })),
);
const withBlocks = written.filter(({ blocks }) => blocks.length > 0);
const isExcused = (path: string, { text }: Block) =>
  Object.keys(notRun[path] ?? {}).some((begin) => text.startsWith(begin));

test("every block of a document is run here or elsewhere, or is excused", async () => {
  const known = [...Object.keys(elsewhere), ...Object.keys(notRun), ...Object.keys(setups)];
  expect(known.filter((path) => !documents.includes(path))).toEqual([]);
  for (const [path, file] of Object.entries(elsewhere)) {
    expect([path, (await readDocument(file)).includes(path)]).toEqual([path, true]);
  }
  for (const [path, begins] of Object.entries(notRun)) {
    const { blocks = [] } = written.find((each) => each.path === path) ?? {};
    const stale = Object.keys(begins).filter(
      (begin) => !blocks.some((b) => b.text.startsWith(begin)),
    );
    expect([path, stale]).toEqual([path, []]);
  }
});

const runHere = withBlocks
  .filter(({ path }) => !(path in elsewhere))
  .map(({ path, blocks }) => ({ path, run: blocks.filter((block) => !isExcused(path, block)) }))
  .filter(({ run }) => run.length > 0);

describe.each(runHere)("$path", ({ path, run }) => {
  let session: Session;
  beforeAll(async () => {
    session = await openSession(setups[path]);
  });
  afterAll(() => session.close());

  test("does what it says", async () => {
    for (let at = 0; at < run.length;) {
      const [block, ...rest] = run.slice(at);
      if (block === undefined) break;
      const count = rest.findIndex((next) => !isAnswer(next));
      const following = count === -1 ? rest : rest.slice(0, count);
      try {
        await runBlock(session, block, following);
      } catch (error) {
        throw new Error(`${path}: this does not do what it says:\n${block.text}`, {
          cause: error,
        });
      }
      at += 1 + following.length;
    }
  }, 120_000);
});

/** Whether a block is the answer, or the variables, of the one before it. */
function isAnswer({ language }: Block): boolean {
  return language === "json" || language === "text";
}

async function runBlock(session: Session, block: Block, following: Block[]): Promise<void> {
  const variables = following.find(({ remark }) => remark === "variables");
  const answer = following.find((each) => each !== variables);
  switch (block.language) {
    case "graphql":
      return askGraphql(session, block.text, variables?.text, answer?.text);
    case "sql":
      await session.owner.query(block.text);
      return;
    case "psql":
      return followPsql(session, block.text);
    case "sh":
      return runCommands(session, block.text, answer);
    case "ts":
      return runTypeScript(session, block.text);
    default:
      throw new Error(`Nothing is known of blocks of ${block.language || "no language"}.`);
  }
}

interface Session {
  readonly database: TestDatabase;
  readonly owner: pg.Client;
  readonly folder: string;
  server(): Promise<TestServer>;
  /** What answers held last under each name; an object's id stands under the name of the object. */
  readonly seen: Map<string, unknown>;
  close(): Promise<void>;
}

async function openSession(setup = ""): Promise<Session> {
  const database = await createTestDatabase();
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  owner.on("notice", () => undefined);
  await owner.connect();
  await owner.query(setup);
  const folder = mkdtempSync(join(tmpdir(), "pgcrm-document-"));
  mkdirSync(join(folder, "bin"));
  writeFileSync(
    join(folder, "bin", "npx"),
    `#!/bin/sh\nshift\nexec ${process.execPath} ${root}/bin/pgcrm.js "$@"\n`,
    { mode: 0o755 },
  );
  let started: Promise<TestServer> | undefined;
  return {
    database,
    owner,
    folder,
    seen: new Map(),
    server: () => (started ??= startTestServer(database.serverUrl)),
    async close() {
      await (await started)?.close();
      await owner.end();
      await database.drop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Asks, as the developer of `npm start`, and compares the answer with the one that is printed. */
async function askGraphql(session: Session, query: string, given?: string, expected?: string) {
  const server = await session.server();
  const names = [...query.matchAll(/\$(\w+):/g)].map(([, name = ""]) => name);
  const variables =
    given === undefined
      ? Object.fromEntries(names.map((name) => [name, session.seen.get(name)]))
      : (JSON.parse(given) as Record<string, unknown>);
  const ask = () => server.graphql(query, variables, { user: "developer" });
  let answer = await ask();
  const end = Date.now() + 15_000; // custom fields are served a moment later
  while (isUnknownField(answer) && Date.now() < end) {
    await sleep(50);
    answer = await ask();
  }
  if (expected === undefined) {
    expect(answer.errors).toBeUndefined();
  } else {
    const printed = JSON.parse(expected) as Record<string, unknown>;
    const isWhole = "data" in printed || "errors" in printed;
    expect(isWhole ? answer : answer.errors?.[0]?.extensions).toMatchObject(
      pattern(printed) as Record<string, unknown>,
    );
  }
  remember(session, answer.data);
}

function isUnknownField({ errors }: Answer<unknown>): boolean {
  const [error] = errors ?? [];
  return (
    error?.extensions.code === "GRAPHQL_VALIDATION_FAILED" ||
    error?.message.includes("is not a field that can be given here") === true
  );
}

function remember(session: Session, value: unknown, name?: string): void {
  if (Array.isArray(value)) {
    for (const item of value) remember(session, item, name);
  } else if (typeof value === "object" && value !== null) {
    if (name !== undefined && "id" in value) session.seen.set(name, value.id);
    for (const [key, member] of Object.entries(value)) remember(session, member, key);
  } else if (name !== undefined) {
    session.seen.set(name, value);
  }
}

/** What is printed, with `…` for whatever differs from time to time. */
function pattern(value: unknown): unknown {
  if (typeof value === "string" && value.includes("…")) {
    return expect.stringMatching(likeness(value));
  }
  if (Array.isArray(value)) return value.map(pattern);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, pattern(member)]));
}

function likeness(text: string): RegExp {
  const parts = text.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^]*")}$`);
}

/** Types what stands after the prompts, `crm=#` as the owner and `crm=>` as an analyst. */
async function followPsql({ owner }: Session, text: string): Promise<void> {
  const steps = text.split(/^crm=/m).slice(1);
  expect(steps.length).toBeGreaterThan(0);
  for (const step of steps) {
    const [, prompt, statement = "", printed = ""] = /^(.) ([^]*?;)\n?([^]*)$/.exec(step) ?? [];
    await owner.query(prompt === ">" ? "set role crm_reporter" : "reset role");
    const shown = await owner
      .query<(string | null)[]>({
        text: statement,
        rowMode: "array",
        types: { getTypeParser: () => String },
      })
      .then(({ fields, rows }) =>
        [fields.map(({ name }) => name), ...rows].map((row) => row.map((cell) => cell ?? "")),
      )
      .catch((error: unknown) => {
        if (!(error instanceof pg.DatabaseError)) throw error;
        const { severity, message, detail, hint } = error;
        return [
          [`${severity ?? ""}:  ${message}`],
          ...(detail === undefined ? [] : [[`DETAIL:  ${detail}`]]),
          ...(hint === undefined ? [] : [[`HINT:  ${hint}`]]),
        ];
      });
    await owner.query("reset role");
    const expected = printed
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "" && !/^[-+]+$/.test(line))
      .map((line) =>
        /^[A-Z]+: /.test(line) ? [line] : line.split("|").map((cell) => cell.trim()),
      );
    if (expected.length === 0) {
      expect(shown[0]?.[0]).not.toMatch(/^ERROR/);
      continue;
    }
    expect(shown.map((row) => row.map((cell) => cell.trim()))).toEqual(
      expected.map((row) => row.map(pattern)),
    );
  }
}

async function runCommands(session: Session, commands: string, answer?: Block): Promise<void> {
  if (commands.includes("psql ") && !hasPsql) return;
  const url = commands.includes("localhost:5000") ? (await session.server()).url : "";
  const token = await signToken(jwtSecret, { role: "admin", user: "developer", expires: "5m" });
  const printed = await runShell(
    commands
      .replaceAll("http://localhost:5000", url)
      .replaceAll("npx pgcrm doctor", "npx pgcrm doctor || [ $? = 5 ]"), // findings are no failure
    session.folder,
    {
      PATH: [join(session.folder, "bin"), process.env.PATH].join(delimiter),
      DATABASE_URL: session.database.ownerUrl,
      JWT_SECRET: jwtSecret,
      TOKEN: token,
    },
  );
  if (answer?.language === "json") {
    expect(JSON.parse(printed)).toMatchObject(
      pattern(JSON.parse(answer.text)) as Record<string, unknown>,
    );
  } else if (answer !== undefined) {
    expect(printed.trim()).toMatch(likeness(answer.text.trim()));
  }
}

/** Runs a module; comments at its end are what it prints. The packages are their sources here. */
async function runTypeScript(session: Session, given: string): Promise<void> {
  const code = given.replace(/"pgcrm[/-]client"/, JSON.stringify(join(root, "server/client.ts")));
  const printed = await runShell(
    `${process.execPath} --input-type=module-typescript --eval "$CODE"`,
    root,
    { CODE: `${code}\nawait pool.end();`, SERVER_DATABASE_URL: session.database.serverUrl },
  );
  const expected = [...code.matchAll(/^\/\/ (.*)$/gm)].map(([, line]) => line).join("\n");
  expect(printed.trim()).toMatch(likeness(expected));
}
