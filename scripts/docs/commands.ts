import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");

/** What `--help` prints, for pgcrm itself and for each of its commands. */
export async function renderCommands(): Promise<string> {
  const sections: string[] = [];
  for (const path of await listCommands([])) {
    const name = ["npx pgcrm", ...path].join(" ");
    sections.push(`## ${name}\n\n\`\`\`\n${await help(path)}\n\`\`\``);
  }
  return sections.join("\n\n");
}

async function listCommands(path: string[]): Promise<string[][]> {
  const [, commands = ""] = /^Commands:\n([^]*?)(?:\n\n|$)/m.exec(await help(path)) ?? [];
  const names = [...commands.matchAll(/^ {2}(\w[\w-]*)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "help");
  const below = await Promise.all(names.map((name) => listCommands([...path, name])));
  return [path, ...below.flat()];
}

async function help(path: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, "bin/pgcrm.js"), ...path, "--help"],
    { cwd: root, env: { PATH: process.env.PATH, NO_COLOR: "1" } },
  );
  return stdout.trim();
}
