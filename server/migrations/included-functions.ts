/** Where a revert script wants the previous functions, if not before everything else. */
const place = /^--! Functions$/m;

/**
 * Completes the revert script of a migration. Before it, or at its line `--! Functions`, comes the previous
 * version of each function file that the migration included; after it, the functions are dropped that the
 * migration added.
 *
 * @param script the revert script.
 * @param committed the texts of the committed migrations in order; the last one is the one to revert.
 *   A commit copies each included file between `--! Included <file>` and `--! EndIncluded <file>`.
 */
export function completeRevert(script: string, committed: readonly string[]): string {
  const [last, ...earlier] = [...committed].reverse().map(includedFunctions);
  const known = new Set(committed.slice(0, -1).flatMap(namesIn));
  const restored: string[] = [];
  const dropped = new Set<string>();
  for (const [file, text] of last ?? []) {
    const names = namesIn(text);
    const before = earlier.map((files) => versionOf(files, file, names)).find(Boolean);
    if (before !== undefined) restored.push(before);
    for (const name of names) if (!known.has(name)) dropped.add(name);
  }
  // They may read columns that only the script brings back.
  const functions =
    restored.length === 0
      ? ""
      : `set local check_function_bodies = off;\n${restored.join("\n;\n")}\n;\nreset check_function_bodies;`;
  const drops = [...dropped].map(dropStatement);
  return (
    place.test(script)
      ? [script.replace(place, () => functions), ...drops]
      : [functions, script, ...drops]
  ).join("\n;\n");
}

/** Returns the function files that a migration includes, with their text as it was committed. */
function includedFunctions(migration: string): Map<string, string> {
  const included = /^--! Included (functions\/\S+)\n([\s\S]*?)\n--! EndIncluded \1$/gm;
  return new Map([...migration.matchAll(included)].map(([, file = "", text = ""]) => [file, text]));
}

/** Returns the text of a file, or of the file that had its functions before it was moved. */
function versionOf(
  files: ReadonlyMap<string, string>,
  file: string,
  names: readonly string[],
): string | undefined {
  return (
    files.get(file) ??
    [...files.values()].find((text) => namesIn(text).some((name) => names.includes(name)))
  );
}

/** Returns the names of the functions that a text creates, as they are written. */
function namesIn(text: string): string[] {
  const part = '(?:"(?:[^"]|"")+"|\\w+)';
  const created = new RegExp(
    `^create\\s+(?:or\\s+replace\\s+)?function\\s+(${part}(?:\\.${part})?)\\s*\\(`,
    "gim",
  );
  return [...new Set([...text.matchAll(created)].map(([, name = ""]) => name))];
}

/** Returns the SQL that drops every function of a name, whatever its arguments are. */
function dropStatement(name: string): string {
  return `do $drop$
declare
  v_name     constant text[] := parse_ident($name$${name}$name$);
  v_function record;
begin
  for v_function in
    select pg_proc.oid::regprocedure as signature
    from pg_proc
    join pg_namespace on pg_namespace.oid = pronamespace
    where proname = v_name[cardinality(v_name)]
      and case
            when cardinality(v_name) = 1 then pg_function_is_visible(pg_proc.oid)
            else nspname = v_name[1]
          end
  loop
    execute format('drop function %s', v_function.signature);
  end loop;
end
$drop$`;
}
