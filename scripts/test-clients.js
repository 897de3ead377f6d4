// Compiles common clients on schema.graphql with their own compilers, and runs them against servers: those of
// test/clients, and the examples that are clients. Their packages are installed from npm into .data/ for this
// purpose only; they are not dependencies of the project.
//
// Arguments are the names of tests: npm run test:clients -- urql

import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { startServers } from "./clients/serve.js";
import { withThrowawayDatabase } from "./throwaway.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = join(root, "test", "clients");
const prefix = join(root, ".data", "clients");
const work = join(prefix, "work");
const persisted = join(work, "persisted");

install();
copy();
await Promise.all([
  run("relay-compiler/cli.js", "relay.config.json"),
  run(".bin/graphql-codegen", "--config", "codegen.json", "--silent"),
  run(".bin/gql.tada", "generate-output"),
  execute("introspect.ts"),
  persist("urql.test.ts"),
]);
await Promise.all([
  run("typescript/bin/tsc", "--project", "tsconfig.json"),
  run(".bin/gql.tada", "check"),
]);
await withThrowawayDatabase(async ({ ownerUrl }) => {
  const { environment, close } = await startServers(ownerUrl, persisted);
  Object.assign(process.env, environment);
  try {
    await execute("--import", "./bundler.ts", "--test", ...tests());
  } finally {
    await close();
  }
});

/** Installs the packages, unless exactly these versions are installed. */
function install() {
  const complete = join(prefix, "complete");
  const wanted = readFileSync(join(sources, "package.json"), "utf8");
  if (existsSync(complete) && readFileSync(complete, "utf8") === wanted) return;
  rmSync(prefix, { recursive: true, force: true });
  mkdirSync(prefix, { recursive: true });
  writeFileSync(join(prefix, "package.json"), wanted);
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const { status } = spawnSync("npm", ["install", ...flags], { cwd: prefix, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(complete, wanted);
}

/** Copies the clients to where their packages are. Code that they compile is written there too. */
function copy() {
  rmSync(work, { recursive: true, force: true });
  cpSync(sources, work, {
    recursive: true,
    filter: (path) => !/relay\/.*\.graphql$|package\.json$/.test(path),
  });
  copyFileSync(join(root, "schema.graphql"), join(work, "schema.graphql"));
  copyFileSync(
    join(root, "examples", "react-admin", "data-provider.ts"),
    join(work, "data-provider.ts"),
  );
  mkdirSync(join(work, "relay", "artifacts"));
  mkdirSync(join(work, "relay", "documents"));
  for (const file of globSync(["operations/*.graphql", "relay/*.graphql"], { cwd: sources })) {
    const module = join(work, "relay", "documents", basename(file).replace(/graphql$/, "ts"));
    writeFileSync(module, toRelay(readFileSync(join(sources, file), "utf8")));
  }
}

/** Returns a document as the source code that Relay's compiler reads. */
function toRelay(document) {
  const definitions = document
    .split(/^(?=query|mutation|fragment)/m)
    .filter((text) => !text.startsWith("#"))
    .map((text, i) => `export const part${i} = graphql\`${text}\`;\n`);
  return ['import { graphql } from "relay-runtime";\n', ...definitions].join("\n");
}

/** Collects the operations of a client as persisted operations. */
function persist(file) {
  const options = ["--typename", "--out", persisted, "--manifest", "manifest.json"];
  return execute(join(root, "bin", "pgcrm.js"), "persist", file, ...options);
}

/** The files of tests whose names contain one of the arguments. */
function tests() {
  const names = process.argv.slice(2);
  return globSync("**/*.test.ts", { cwd: work }).filter(
    (file) => names.length === 0 || names.some((name) => file.includes(name)),
  );
}

/** Runs a program of the installed packages. */
function run(program, ...args) {
  return execute(join(prefix, "node_modules", program), ...args);
}

/** Runs a script under Node in the work folder. */
async function execute(...args) {
  const child = spawn(process.execPath, args, {
    cwd: work,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const status = await new Promise((resolve, reject) => {
    child.once("exit", resolve);
    child.once("error", reject);
  });
  if (status !== 0) throw new Error(`node ${args.join(" ")} failed.`);
}
