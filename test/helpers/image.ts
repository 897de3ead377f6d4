import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** One line of a Dockerfile, continued lines put together. */
export interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Reads a Dockerfile. */
export function readDockerfile(text: string): Instruction[] {
  return text
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", rest = ""] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
      return { name: name.toUpperCase(), rest: rest.trim() };
    });
}

/**
 * Carries out what a Dockerfile says in a folder, as far as that can be done without an engine: copies
 * what `.dockerignore` lets through, sets variables, runs the commands.
 *
 * @param project the context of the build.
 * @param folder stands for the root of the last stage's file system; the others are beside it.
 * @param path where programs are looked for; it stands for what the base image has.
 * @returns the environment and the command of the image.
 */
export async function buildImage(
  project: string,
  folder: string,
  path: string,
): Promise<{ env: Record<string, string>; command: string[]; user: string; workFolder: string }> {
  const ignored = readIgnore(readFileSync(join(project, ".dockerignore"), "utf8"));
  const stages = new Map<string, string>();
  let stage = folder;
  let workFolder = "/";
  let user = "root";
  let env: Record<string, string> = {};
  let command: string[] = [];
  const inStage = (target: string) => join(stage, posix.resolve(workFolder, target));

  for (const { name, rest } of readDockerfile(readFileSync(join(project, "Dockerfile"), "utf8"))) {
    if (name === "FROM") {
      const [, alias] = /\sAS\s+(\S+)$/i.exec(rest) ?? [];
      stage = alias === undefined ? folder : `${folder}-${alias}`;
      if (alias !== undefined) stages.set(alias, stage);
      [workFolder, user, env] = ["/", "root", {}];
      mkdirSync(stage, { recursive: true });
    } else if (name === "WORKDIR") {
      workFolder = posix.resolve(workFolder, rest);
      mkdirSync(join(stage, workFolder), { recursive: true });
    } else if (name === "ENV") {
      for (const [, key = "", value = ""] of rest.matchAll(/(\w+)=(\S+)/g)) env[key] = value;
    } else if (name === "USER") {
      user = rest;
    } else if (name === "CMD") {
      command = JSON.parse(rest) as string[];
    } else if (name === "COPY") {
      const parts = rest.split(/\s+/);
      const from = parts[0]?.startsWith("--from=")
        ? parts.shift()?.slice("--from=".length)
        : undefined;
      const target = parts.pop() ?? "";
      for (const source of parts) {
        if (from !== undefined) {
          // The other stage is not needed any more, and moving is quicker.
          renameSync(join(stages.get(from) ?? "", source), inStage(target));
          continue;
        }
        copy(join(project, source), inStage(target), (file) => !ignored(relative(project, file)));
      }
    } else if (name === "RUN") {
      await execute("sh", ["-c", rest], {
        cwd: join(stage, workFolder),
        env: { PATH: path, HOME: process.env.HOME, ...env },
      });
    } else if (!["EXPOSE", "HEALTHCHECK"].includes(name)) {
      throw new Error(`${name} is not understood here`);
    }
  }
  return { env, command, user, workFolder: join(folder, workFolder) };
}

/** As COPY does: a folder's contents go into the target, a file into a folder or its own name. */
function copy(source: string, target: string, isMeant: (file: string) => boolean): void {
  if (!existsSync(source)) throw new Error(`${source} is not there to be copied`);
  if (lstatSync(source).isDirectory()) {
    for (const name of readdirSync(source)) {
      const file = join(source, name);
      if (lstatSync(file).isDirectory()) copy(file, join(target, name), isMeant);
      else if (isMeant(file)) put(file, join(target, name));
    }
  } else if (isMeant(source)) {
    put(
      source,
      target.endsWith("/") || isFolder(target)
        ? join(target, relative(dirname(source), source))
        : target,
    );
  }
}

function put(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  if (lstatSync(source).isSymbolicLink()) symlinkSync(readlinkSync(source), target);
  else copyFileSync(source, target);
}

function isFolder(path: string): boolean {
  return existsSync(path) && lstatSync(path).isDirectory();
}

/**
 * Reads a `.dockerignore` without wildcards but `*`: of the patterns that match a file or a folder that
 * it is in, the last one decides.
 */
export function readIgnore(text: string): (file: string) => boolean {
  const patterns = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ keeps: line.startsWith("!"), pattern: line.replace(/^!/, "") }));
  return (file) => {
    const parts = file.split("/");
    const names = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
    const isMatch = (pattern: string) =>
      names.some((name) => (pattern === "*" ? !name.includes("/") : name === pattern));
    return patterns.findLast(({ pattern }) => isMatch(pattern))?.keeps === false;
  };
}
