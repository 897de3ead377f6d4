// Runs splinter, the linter of Supabase, on a migrated database. The Postgres Language Server, which contains
// it, is installed from npm into .data/ for this purpose only; it is not a dependency of the project.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const version = "0.25.5";
const processor = { x64: "x86_64", arm64: "aarch64" }[process.arch] ?? process.arch;
const system = { linux: "linux-gnu", darwin: "apple-darwin", win32: "windows-msvc" };
const name = `@postgres-language-server/cli-${processor}-${system[process.platform]}`;

const root = fileURLToPath(new URL("..", import.meta.url));
const prefix = join(root, ".data", `splinter-${version}`);
const program = join(prefix, "node_modules", name, "postgres-language-server");

if (!existsSync(program)) {
  const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  run("npm", ["install", ...flags, "--prefix", prefix, `${name}@${version}`]);
}
run(process.execPath, ["scripts/run-jest.js", "db/schema/splinter"], { PGCRM_SPLINTER: program });

function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
