/** Where a revert script wants the previous functions, if not before everything else. */
const place = /^--! Functions$/m;

/**
 * Completes the revert script of a migration: before it, or at its line `--! Functions`, comes the
 * previous version of each function file that the migration included; after it, `drop function` for each
 * function that the migration added.
 *
 * @param script the revert script.
 * @param committed the texts of the committed migrations in order; the last one is the one to revert.
 *   A commit copies each included file between `--! Included <file>` and `--! EndIncluded <file>`.
 */
export function completeRevert(script: string, committed: readonly string[]): string {
  const [last, ...earlier] = [...committed].reverse().map(includedFunctions);
  const restored: string[] = [];
  const dropped: string[] = [];
  for (const [file, text] of last ?? []) {
    const before = earlier.find((files) => files.has(file))?.get(file);
    if (before !== undefined) restored.push(before);
    const kept = new Set(namesIn(before ?? ""));
    dropped.push(...namesIn(text).filter((name) => !kept.has(name)));
  }
  const drops = dropped.map((name) => `drop function if exists ${name};`);
  // They may read columns that only the script brings back.
  const functions =
    restored.length === 0
      ? ""
      : [
          "set local check_function_bodies = off;",
          ...restored,
          "reset check_function_bodies;",
        ].join("\n\n");
  return place.test(script)
    ? [script.replace(place, () => functions), ...drops].join("\n")
    : [functions, script, ...drops].join("\n");
}

/** Returns the function files that a migration includes, with their text as it was committed. */
function includedFunctions(migration: string): Map<string, string> {
  const included = /^--! Included (functions\/\S+)\n([\s\S]*?)\n--! EndIncluded \1$/gm;
  return new Map([...migration.matchAll(included)].map(([, file = "", text = ""]) => [file, text]));
}

/** Returns the names of the functions that a text creates. No two functions share a name. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/^create (?:or replace )?function ([\w.]+)/gm)].map(
    ([, name = ""]) => name,
  );
}
