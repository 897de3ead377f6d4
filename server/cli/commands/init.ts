import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";

import { exitCodes, Problem } from "../../errors/problem.ts";
import { projectFolder } from "../../project.ts";

const template = join(projectFolder, "examples", "crm");

/** Files that are named without their dot in the package: npm would omit or interpret them. */
const dotFiles = ["env", "gitignore", "dockerignore"];

/**
 * Creates a project that is built on pgcrm: configuration, a migration, a test, and files for Docker.
 *
 * @param folder the folder of the project; it is created if it does not exist.
 * @param print receives the next steps, line by line.
 * @throws {Problem} if the folder is not empty, or its name cannot be the name of a package.
 */
export function initCommand(folder: string, print: (line: string) => void): void {
  const target = resolve(folder);
  const name = basename(target).toLowerCase();
  if (!/^[a-z0-9][a-z0-9._-]{0,213}$/.test(name)) {
    throw new Problem(
      `"${name}" cannot be the name of a package; use letters, digits and hyphens.`,
      exitCodes.usage,
    );
  }
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new Problem(`${folder} is not empty; choose a new or empty folder.`);
  }
  cpSync(template, target, { recursive: true });
  for (const file of dotFiles) renameSync(join(target, file), join(target, `.${file}`));

  const { version } = readJson(join(projectFolder, "package.json"));
  const path = join(target, "package.json");
  const project = { ...readJson(path), name, dependencies: { pgcrm: `^${String(version)}` } };
  writeFileSync(path, `${JSON.stringify(project, undefined, 2)}\n`);

  print(`Created ${name}. Next steps:`);
  const place = relative(process.cwd(), target);
  if (place !== "") print(`  cd ${place}`);
  print("  npm install");
  print("  npm start");
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}
