/** Formats a Markdown table: a header, and one line for each row. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Formats names as code, separated by commas. */
export function code(...names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(", ");
}

/** Returns a comment of the database without its smart tags. */
export function withoutTags(comment: string | null): string {
  return (comment ?? "")
    .split("\n")
    .filter((line) => !line.startsWith("@"))
    .join("\n")
    .trim();
}

/** Escapes `<` in a text: Markdown would read `<name>` as a tag. */
export function escapeTags(text: string): string {
  return text.replaceAll("<", "&lt;");
}

/**
 * Replaces the text between `<!-- name:begin -->` and `<!-- name:end -->`.
 *
 * @param text a document.
 * @param name the name of the section.
 * @param content the new text of the section.
 * @throws {Error} if the document has no such section.
 */
export function replaceSection(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`There is no section between ${begin} and ${end}.`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}

function escapeCell(cell: string): string {
  return cell.replaceAll("|", "\\|").replaceAll("\n", " ");
}
