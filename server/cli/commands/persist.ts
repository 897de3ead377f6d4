import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { assertValidSchema, buildSchema, type GraphQLSchema } from "graphql";

import { collectOperations, type PersistedOperation } from "../persist/collect.ts";
import type { Fault } from "../persist/fault.ts";
import { readDocuments } from "../persist/sources.ts";
import { exitCodes, Problem } from "../../errors/problem.ts";
import { deriveServerUrl } from "../../postgres/server-login.ts";
import { projectFolder } from "../../project.ts";
import type { Context } from "./context.ts";

/** The GraphQL schema without custom fields. */
const ownSchema = join(projectFolder, "schema.graphql");

export interface PersistRequest {
  /** The folder that the server reads. */
  readonly out: string;
  /** The file for the manifest, the client's list of names and ids. */
  readonly manifest?: string;
  /** The file of the GraphQL schema, if it differs from that of a new installation. */
  readonly schema?: string;
  /** Whether `__typename` is added to every selection. */
  readonly typename?: boolean;
  /** Whether documents that are not in the code are deleted. */
  readonly prune?: boolean;
}

/**
 * Collects the operations of a client's code into the folder of persisted operations. Existing documents
 * stay, unless `prune` is set: older clients still use them.
 *
 * If the settings have the URL of a database, it says which operations the server will not compile.
 *
 * @param paths folders and files of the client's code.
 * @throws {Problem} if there is a fault, or no operation; then nothing is written.
 */
export async function persistCommand(
  { config, print, note }: Context,
  paths: readonly string[],
  {
    out,
    manifest,
    schema: schemaFile = ownSchema,
    typename = false,
    prune = false,
  }: PersistRequest,
): Promise<void> {
  const faults = new Set<string>();
  const report = (fault: Fault) => void faults.add(String(fault));
  const documents = readDocuments(paths, report);
  const schema = readSchema(schemaFile);
  const operations = collectOperations(
    documents,
    { schema, limits: config.limits, typename },
    report,
  );
  if (faults.size > 0) {
    for (const fault of faults) note(fault);
    throw new Problem(`Nothing was written: ${counted(faults.size, "fault")}.`);
  }
  if (operations.length === 0) {
    throw new Problem(`There are no operations in ${paths.join(", ")}.`);
  }

  mkdirSync(out, { recursive: true });
  const before = new Set(readdirSync(out).filter((name) => name.endsWith(".graphql")));
  const files = new Map(operations.map(({ id, body }) => [`${id}.graphql`, body]));
  const added = [...files].filter(([name]) => !before.has(name));
  for (const [name, body] of added) replaceFile(join(out, name), body);
  const removed = prune ? [...before].filter((name) => !files.has(name)) : [];
  for (const name of removed) rmSync(join(out, name));
  if (manifest !== undefined) replaceFile(manifest, manifestOf(operations));

  const changes = `${added.length} added, ${removed.length} removed`;
  print(`${counted(operations.length, "operation")} in ${out}: ${changes}.`);
  const serverUrl =
    config.serverDatabaseUrl ?? (config.databaseUrl && deriveServerUrl(config.databaseUrl));
  if (serverUrl === undefined) return; // the schema in a file does not tell what is compiled
  const { examineOperations } = await import("../../graphql/compiled/examine.ts");
  for (const line of await examineOperations(serverUrl, out, config.limits)) note(line);
}

function readSchema(file: string): GraphQLSchema {
  try {
    const schema = buildSchema(readFileSync(file, "utf8"));
    assertValidSchema(schema);
    return schema;
  } catch (error) {
    const { message } = error as Error;
    const reason = message.replace(/\.$/, "");
    throw new Problem(`The schema in ${file} cannot be read: ${reason}.`, exitCodes.usage);
  }
}

/** Formats the manifest as Apollo's tools do. */
function manifestOf(operations: readonly PersistedOperation[]): string {
  const manifest = { format: "apollo-persisted-query-manifest", version: 1, operations };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Writes a file atomically: a reader sees the old text or the new one. */
function replaceFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;
