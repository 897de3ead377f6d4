import { CrmError } from "../../server/errors/classes.ts";
import type { AuditLog } from "../../server/model/generated/rows.ts";
import type { Carrier, Data, Entity } from "./arbitraries.ts";

/** A row as a client reads it. Timestamps are texts with microseconds, decimals exact texts. */
export type Row = Data & {
  id: string;
  version: number;
  createdAt: string;
  updatedAt: string;
  createdBy: string;
  updatedBy: string;
};

/** An audit log entry. */
export interface Entry {
  id: string;
  entityType: string;
  entityId: string;
  action: "create" | "update" | "delete";
  userId: string;
  changes: Data;
  timestamp: string;
}

/** One way into the product. What holds through one must hold through the others. */
export interface Api {
  readonly name: "GraphQL" | "repository" | "SQL";
  /**
   * Whether it refuses by its field what has not the form of a field's type, or is no field. Plain
   * SQL is PostgreSQL's to read, which reads 5 as a text, and names no field where it cannot read.
   */
  readonly checksTypes: boolean;
  create(entity: Entity, data: Data, user?: string): Promise<Row>;
  /** Creates several, in order. */
  createAll(entity: Entity, list: Data[], user?: string): Promise<Row[]>;
  find(entity: Entity, id: string): Promise<Row | null>;
  /** All whose fields equal the given ones. */
  findAll(entity: Entity, where: Data): Promise<Row[]>;
  update(entity: Entity, id: string, patch: Data, user?: string): Promise<Row>;
  remove(entity: Entity, id: string, user?: string): Promise<void>;
  /** The contacts, or the deals, of a company, asked of the company. */
  ofCompany(entity: "contact" | "deal", companyId: string): Promise<Row[]>;
  /** An entity together with its tasks and notes. */
  withAttachments(entity: Carrier, id: string): Promise<Row & { tasks: Row[]; notes: Row[] }>;
  /** What was done to an entity, the oldest first. */
  entriesOf(entity: Entity, id: string): Promise<Entry[]>;
  /** What a user did, the oldest first. */
  entriesBy(user: string): Promise<Entry[]>;
}

/** What every API tells of an entry. */
export function entryOf(log: AuditLog): Entry {
  const { id, entityType, entityId, action, userId, changes, timestamp } = log;
  return { id, entityType, entityId, action, userId, changes, timestamp } as Entry;
}

/** What the audit log calls an entity: customFieldDefinition is custom_field_definition. */
export function entityTypeOf(entity: Entity): string {
  return columnName(entity);
}

/** firstName is first_name. */
export function columnName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A row that is there. */
export function present(row: Row | null | undefined): Row {
  if (row == null) throw new Error("there is no such row");
  return row;
}

/** What a client can tell of a failure, whichever API it met. */
export interface Refusal {
  code: string;
  message: string;
  /** The class of the error, where errors have one. */
  type?: string;
  fields?: Record<string, string[]>;
  constraint?: string;
  entityType?: string;
  id?: string;
}

/** The first error of a GraphQL answer. */
export class Refused extends Error {
  readonly extensions: { code: string };

  constructor(message: string, extensions: { code: string }) {
    super(message);
    this.extensions = extensions;
  }
}

/** Waits for something to be refused, and tells how. What it was not refused by is thrown on. */
export async function refusal(work: Promise<unknown>): Promise<Refusal> {
  let result: unknown;
  try {
    result = await work;
  } catch (error) {
    if (error instanceof Refused) return { ...error.extensions, message: error.message };
    if (error instanceof CrmError) {
      return { ...error.extensions, message: error.message, type: error.constructor.name };
    }
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(result)}`);
}
