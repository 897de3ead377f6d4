import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import type { Logger } from "pino";

/** The setting of persisted operations. */
export interface PersistedRules {
  /** The folder of documents, named `<id>.graphql`. */
  readonly folder: string;
  /** Whether all other operations are refused. */
  readonly only: boolean;
}

/** The documents of a folder, by id. */
export interface PersistedOperations {
  /** Returns the document with an id, as of the last read of the folder. */
  readonly get: (id: string) => string | undefined;
  /** Returns all documents with their ids, as of the last read of the folder. */
  readonly all: () => Iterable<readonly [id: string, document: string]>;
  /** Reads the folder again if it has changed; checks at most once a second. */
  refresh(): Promise<void>;
}

/** The interval between checks of the folder, in milliseconds. */
const trusted = 1000;

const extension = ".graphql";

/**
 * Reads a folder of documents. The name of a file is the id of its document. Files are added and deleted,
 * but never changed.
 *
 * @throws if the folder cannot be read.
 */
export function openPersistedOperations(folder: string, logger: Logger): PersistedOperations {
  const documents = new Map<string, string>();
  for (const name of readdirSync(folder).filter(isDocument)) {
    documents.set(idOf(name), readFileSync(join(folder, name), "utf8"));
  }
  let lookedAt = 0;
  let changedAt: number | undefined;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    try {
      const { mtimeMs } = await stat(folder);
      if (mtimeMs === changedAt) return;
      const names = (await readdir(folder)).filter(isDocument);
      const ids = new Set(names.map(idOf));
      for (const id of documents.keys()) if (!ids.has(id)) documents.delete(id);
      const added = names.filter((name) => !documents.has(idOf(name)));
      await Promise.all(
        added.map(async (name) => {
          documents.set(idOf(name), await readFile(join(folder, name), "utf8"));
        }),
      );
      changedAt = mtimeMs;
    } catch (error) {
      logger.warn({ err: error, folder }, "persisted operations cannot be read; known ones remain");
    }
  }

  return {
    get: (id) => documents.get(id),
    all: () => [...documents],

    async refresh() {
      if (Date.now() - lookedAt < trusted) return reading;
      lookedAt = Date.now();
      reading = read();
      return reading;
    },
  };
}

const isDocument = (name: string): boolean => name.endsWith(extension);
const idOf = (name: string): string => name.slice(0, -extension.length);
