import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { calculateHash } from "graphile-migrate/dist/hash.js";

/** A migration that every installation runs. */
export interface CommittedMigration {
  /** The name of its file, such as `000001-core.sql`. */
  readonly name: string;
  /** Its number, six digits. */
  readonly number: string;
  /** What identifies its text, as the header of the file gives it. */
  readonly hash: string;
  /** That of the migration before it; null for the first one. */
  readonly previousHash: string | null;
  /** Whether the text is still the one that was committed. */
  readonly isIntact: boolean;
}

/**
 * Reads what a migrations folder has committed, in order.
 *
 * @param folder the folder that holds `committed/`.
 */
export async function readCommittedMigrations(folder: string): Promise<CommittedMigration[]> {
  const committed = join(folder, "committed");
  const names = await readdir(committed);
  return Promise.all(
    names
      .filter((name) => /^\d{6}(-.*)?\.sql$/.test(name))
      .sort()
      .map(async (name) => {
        const text = await readFile(join(committed, name), "utf8");
        const header = (key: string) =>
          new RegExp(`^--! ${key}: (\\S+)$`, "m").exec(text)?.[1] ?? "";
        const [hash, previous] = [header("Hash"), header("Previous")];
        const body = text.replace(/^(?:--! [A-Z]\w*(?::.*)?\n)+/, "").trim() + "\n";
        const previousHash = previous === "-" ? null : previous;
        const isIntact =
          /^--! AllowInvalidHash$/m.test(text) || calculateHash(body, previousHash) === hash;
        return { name, number: name.slice(0, 6), hash, previousHash, isIntact };
      }),
  );
}
