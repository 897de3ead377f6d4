/** What the header of a migration says, each with how it begins. */
const parts = {
  "Why:": /^\s*\*\s*Why: \S/m,
  "Locks:": /^\s*\*\s*Locks: \S/m,
  "Duration:": /^\s*\*\s*Duration: .*(?:per million rows|none)/m,
  "Undone by:": /^\s*\*\s*Undone by: \S/m,
};

/**
 * What the comment at the beginning of a migration does not say of it: why, what it locks, how long it
 * takes for each million rows, how it is undone. A migration of several chapters says it in each or in one.
 *
 * @param text a migration.
 * @returns the beginnings of the lines that are missing.
 */
export function missingHeaderLines(text: string): string[] {
  return Object.entries(parts)
    .filter(([, pattern]) => !pattern.test(text))
    .map(([beginning]) => beginning);
}
