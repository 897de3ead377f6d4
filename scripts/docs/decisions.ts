import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../../docs/explanation/decisions");

/** Renders an index of the decisions by subject. */
export async function renderDecisions(): Promise<string> {
  const subjects = new Map<string, string[]>();
  for (const file of (await readdir(folder)).sort()) {
    const [, number, title, subject] =
      /^# (\d+)\. (.*)\n\n\*(.*)\*\n/.exec(await readFile(join(folder, file), "utf8")) ?? [];
    if (number === undefined || title === undefined || subject === undefined) continue;
    subjects.set(subject, [
      ...(subjects.get(subject) ?? []),
      `- [${number.padStart(4, "0")}](${file}): ${title}`,
    ]);
  }
  return [...subjects].map(([name, lines]) => `## ${name}\n\n${lines.join("\n")}`).join("\n\n");
}
