// Runs the compilers of two common clients, Relay's and GraphQL Code Generator, on schema.graphql and the
// operations of test/clients, and TypeScript on their output. The compilers are installed from npm into
// .data/ for this purpose only; they are not dependencies of the project.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = [
  "@graphql-codegen/cli@7.4.3",
  "@graphql-codegen/client-preset@6.2.0",
  "graphql@16.15.0",
  "relay-compiler@21.0.1",
];

/** The client's types of the scalars. */
const scalars = {
  BigFloat: "string",
  BigInt: "string",
  Cursor: "string",
  Date: "string",
  Datetime: "string",
  JSON: "unknown",
  UUID: "string",
};

const root = fileURLToPath(new URL("..", import.meta.url));
const schema = join(root, "schema.graphql");
const operations = join(root, "test", "clients", "operations");
const prefix = join(root, ".data", "clients");
const work = join(prefix, "work");

install();
rmSync(work, { recursive: true, force: true });
mkdirSync(join(work, "relay", "artifacts"), { recursive: true });
compileForRelay();
generateCode();

/** Installs the compilers, unless exactly these versions are installed. */
function install() {
  const complete = join(prefix, "complete");
  const wanted = packages.join("\n");
  if (existsSync(complete) && readFileSync(complete, "utf8") === wanted) return;
  rmSync(prefix, { recursive: true, force: true });
  mkdirSync(prefix, { recursive: true });
  const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  execute("npm", ["install", ...flags, "--prefix", prefix, ...packages], root);
  writeFileSync(complete, wanted);
}

/** Runs the Relay compiler. It reads operations in source code, so each file becomes a module. */
function compileForRelay() {
  for (const folder of [operations, join(root, "test", "clients", "relay")]) {
    for (const file of readdirSync(folder)) {
      const definitions = readFileSync(join(folder, file), "utf8").split(
        /^(?=query|mutation|fragment)/m,
      );
      const tagged = definitions
        .filter((text) => !text.startsWith("#"))
        .map((text, i) => `export const part${i} = graphql\`${text}\`;\n`);
      writeFileSync(join(work, "relay", file.replace(/graphql$/, "ts")), tagged.join("\n"));
    }
  }
  writeJson("relay.json", {
    src: "relay",
    artifactDirectory: "relay/artifacts",
    schema: "schema.graphql",
    language: "typescript",
    customScalarTypes: scalars,
    noSourceControl: true,
  });
  writeFileSync(join(work, "schema.graphql"), readFileSync(schema));
  node(join(prefix, "node_modules", "relay-compiler", "cli.js"), "relay.json");
}

function generateCode() {
  writeJson("codegen.json", {
    schema,
    documents: `${operations}/*.graphql`,
    generates: {
      "codegen/": {
        preset: "client",
        config: { scalars, strictScalars: true, useTypeImports: true },
      },
    },
  });
  node(join(prefix, "node_modules", ".bin", "graphql-codegen"), "--config", "codegen.json");

  writeJson("tsconfig.json", {
    compilerOptions: {
      strict: true,
      noEmit: true,
      module: "esnext",
      moduleResolution: "bundler",
      lib: ["es2024"],
      types: [],
      skipLibCheck: true,
    },
    include: ["codegen"],
  });
  node(createRequire(import.meta.url).resolve("typescript/bin/tsc"), "--project", "tsconfig.json");
}

function writeJson(name, value) {
  writeFileSync(join(work, name), JSON.stringify(value, undefined, 2));
}

function node(script, ...args) {
  execute(process.execPath, [script, ...args], work);
}

function execute(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
