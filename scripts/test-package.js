// Packs pgcrm and pgcrm-client, installs them into empty projects elsewhere, and tests them there: the client
// from JavaScript and TypeScript, the command line, and a project that `npx pgcrm init` creates.

import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { nodeBinary } from "./ensure-installed.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "pgcrm-package-"));
// As on a machine with the release of Node that the package requires.
const environment = {
  ...process.env,
  PATH: [dirname(nodeBinary), process.env.PATH].join(delimiter),
};
for (const name of Object.keys(environment)) {
  if (/^(npm_|PG|DATABASE_URL|SERVER_DATABASE_URL|JWT_SECRET|NODE_OPTIONS)/.test(name))
    delete environment[name];
}

try {
  const tarball = pack(root);
  await useClientAlone();
  await useWithoutPackages(tarball);
  await useApplication(tarball);
  console.log("The installed package works.");
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Tests pgcrm-client: it installs little, and the compiler checks every declaration that it reads. */
async function useClientAlone() {
  const folder = makeProject("client");
  install(folder, [pack(join(root, "packages", "client"))]);
  const installed = readdirSync(join(folder, "node_modules")).filter((name) => /^[^.]/.test(name));
  const unwanted = installed.filter(
    (name) => !/^(pg|postgres-|zod$|@types$|undici-types$|split2$|xtend$)/.test(name),
  );
  expect(unwanted.length === 0, `The client installs ${unwanted.join(", ")}.`);
  compile(folder, "client.ts", {}, "pgcrm-client");
  writeFileSync(
    join(folder, "names.mjs"),
    `import * as client from "pgcrm-client"; console.log(Object.keys(client).length);`,
  );
  execute("node", ["names.mjs"], folder);
}

/** Tests what the command line says where its packages are missing. */
async function useWithoutPackages(tarball) {
  const folder = makeProject("bare");
  execute("tar", ["-xzf", tarball, "--strip-components=1", "-C", folder], folder);
  const refused = run("node", ["bin/pgcrm.js", "status"], folder);
  expect(refused.status === 1, "The command line works without its packages.");
  expect(/^The package \S+ is not installed/.test(refused.stderr), refused.stderr);
}

/**
 * Tests the steps of examples/crm/README.md and docs/how-to/build-an-application.md: `npx pgcrm init`, the
 * test of the new project, its server, and a client.
 */
async function useApplication(tarball) {
  const maker = makeProject("maker");
  install(maker, [tarball]);
  compile(maker, "server.ts");
  compile(maker, "preset.ts", { skipLibCheck: true });
  execute("npx", ["pgcrm", "init", "../my-crm"], maker);
  const folder = join(work, "my-crm");
  install(folder, [tarball]);
  execute("npm", ["test"], folder);

  const port = String(await freePort());
  const server = spawn("npm", ["start"], {
    cwd: folder,
    env: { ...environment, PORT: port },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  try {
    const token = await tokenOf(server);
    const answer = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ query: "{ shopProducts { totalCount } companies { totalCount } }" }),
    });
    const text = await answer.text();
    expect(
      text === '{"data":{"shopProducts":{"totalCount":0},"companies":{"totalCount":0}}}',
      text,
    );

    const url = execute("npx", ["--silent", "pgcrm", "url", "server"], folder).trim();
    const schema = execute("node", ["preset.ts"], maker, { SERVER_DATABASE_URL: url });
    expect(schema === "contacts\n", schema);
    const client = makeProject("client-of-it");
    install(client, [tarball], "--omit=optional");
    compile(client, "client.ts");
    copyFileSync(join(root, "test", "package", "client.ts"), join(client, "client.ts"));
    const said = execute("node", ["client.ts"], client, { SERVER_DATABASE_URL: url }).trim();
    const right =
      '{"company":"Acme","contact":"Byron","fields":{"firstName":["must not be blank"],"emails.0":["\\"x\\" is not an email address"]}}';
    expect(said === right, said);
  } finally {
    process.kill(-server.pid, "SIGTERM");
    await ended;
  }
  const status = execute("npx", ["--silent", "pgcrm", "status"], folder);
  expect(status.includes("application:\napplied: 000001-products.sql"), status);
  execute("npx", ["--silent", "pgcrm", "revert", "--force"], folder);
  expect(run("npx", ["--silent", "pgcrm", "status"], folder).status === 3, "Nothing is pending.");
}

function makeProject(name) {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return folder;
}

function install(folder, packages, ...flags) {
  const usual = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"];
  execute("npm", ["install", ...usual, ...flags, ...packages], folder);
}

/** Packs a package, and returns the file. */
function pack(folder) {
  const name = execute("npm", ["pack", "--silent", "--pack-destination", work], folder).trim();
  return join(work, name.split("\n").at(-1));
}

/**
 * Compiles a file of test/package with the strictest options, including the declarations of packages.
 *
 * @param client the package that it imports the client from.
 */
function compile(folder, name, options = {}, client = "pgcrm/client") {
  const text = readFileSync(join(root, "test", "package", name), "utf8");
  writeFileSync(join(folder, name), text.replace('"pgcrm/client"', `"${client}"`));
  const compilerOptions = {
    ...{ target: "es2024", module: "nodenext", strict: true, noEmit: true, skipLibCheck: false },
    ...options,
    ...{ types: ["node"], typeRoots: [join(root, "node_modules", "@types")] },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [name] }));
  execute("node", [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], folder);
}

function run(command, parameters, cwd, settings = {}) {
  return spawnSync(command, parameters, {
    cwd,
    env: { ...environment, ...settings },
    encoding: "utf8",
  });
}

function execute(command, parameters, cwd, settings) {
  const { status, stdout, stderr, error } = run(command, parameters, cwd, settings);
  if (status === 0) return stdout;
  throw new Error(
    `${[command, ...parameters].join(" ")} failed:\n${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`,
  );
}

function expect(isSo, otherwise) {
  if (!isSo) throw new Error(`Unexpected result: ${otherwise}`);
}

/** Returns the token that a server prints when it is ready. */
async function tokenOf(server) {
  let said = "";
  return new Promise((resolve, reject) => {
    server.stdout.setEncoding("utf8").on("data", (part) => {
      said += part;
      const [token] = /eyJ[\w.-]+/.exec(said) ?? [];
      if (token !== undefined) resolve(token);
    });
    server.once("exit", () => reject(new Error(`The server did not start:\n${said}`)));
  });
}

async function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
