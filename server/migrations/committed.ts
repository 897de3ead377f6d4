import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { calculateHash } from "graphile-migrate/dist/hash.js";

/** A committed migration. */
export interface CommittedMigration {
  /** The name of its file, such as `000001-core.sql`. */
  readonly name: string;
  /** Its number, six digits. */
  readonly number: string;
  /** The hash of its text, from the header of the file. */
  readonly hash: string;
  /** The hash of the previous migration; null for the first one. */
  readonly previousHash: string | null;
  /** Whether the text still has this hash. */
  readonly isIntact: boolean;
}

/**
 * Reads the committed migrations of a folder, in order.
 *
 * @param folder the folder that contains `committed/`.
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
