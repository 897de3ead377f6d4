/** The required lines of a migration's header, by their beginnings. */
const parts = {
  "Why:": /^\s*\*\s*Why: \S/m,
  "Locks:": /^\s*\*\s*Locks: \S/m,
  "Duration:": /^\s*\*\s*Duration: .*(?:per million rows|none)/m,
  "Undone by:": /^\s*\*\s*Undone by: \S/m,
};

/**
 * Returns the lines that are missing in the comment at the beginning of a migration: why, what it locks, how
 * long it takes per million rows, and how it is undone. One comment of several chapters is enough.
 *
 * @param text the text of a migration.
 * @returns the beginnings of the missing lines.
 */
export function missingHeaderLines(text: string): string[] {
  return Object.entries(parts)
    .filter(([, pattern]) => !pattern.test(text))
    .map(([beginning]) => beginning);
}
