import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

/** Renders the output of `--help`, for pgcrm itself and for each of its commands. */
export async function renderCommands(): Promise<string> {
  const commands = await readHelp([]);
  return commands
    .map(({ path, help }) => `## ${["npx pgcrm", ...path].join(" ")}\n\n\`\`\`\n${help}\n\`\`\``)
    .join("\n\n");
}

/** Returns the help of a command and of its subcommands. */
async function readHelp(path: string[]): Promise<{ path: string[]; help: string }[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, "bin/pgcrm.js"), ...path, "--help"],
    { cwd: root, env: { PATH: process.env.PATH, NO_COLOR: "1" } },
  );
  const [, commands = ""] = /\nCommands:\n([^]*?)(?:\n\n|$)/.exec(stdout) ?? [];
  const all = [{ path, help: stdout.trim() }];
  for (const [, name = ""] of commands.matchAll(/^ {2}(\w[\w-]*)/gm)) {
    if (name !== "help") all.push(...(await readHelp([...path, name])));
  }
  return all;
}
