import type { AuditLog, CreateNote, Note, UpdateNote } from "../model/generated/rows.ts";
import type { Filter } from "../repositories/filters.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService } from "./entity.ts";

/** The operations on notes. Every method throws errors of `server/errors/classes.ts`. */
export interface NoteService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createNote(data: CreateNote, userId: string): Promise<Note>;
  /** @throws {NotFoundError} if there is no such note. */
  getNote(id: string): Promise<Note>;
  /** @throws {ConflictError} if the data contain a version that is not the note's. */
  updateNote(id: string, data: UpdateNote, userId: string): Promise<Note>;
  /** @throws {NotFoundError} if there is no such note. */
  deleteNote(id: string, userId: string): Promise<void>;
  /** Returns the notes that match a filter, the newest first. More than 1000 require `first`. */
  getNotes(filter?: Filter<"note">, part?: ListPart<"note">): Promise<Note[]>;
  /** Returns the notes of an entity, the newest first. More than 1000 require `first`. */
  getNotesByEntity(
    entityType: Note["entityType"],
    entityId: string,
    part?: ListPart<"note">,
  ): Promise<Note[]>;
  /** Returns the audit log entries of a note, the oldest first. More than 1000 require `first`. */
  getNoteHistory(id: string, part?: ListPart<"auditLog">): Promise<AuditLog[]>;
}

/** Creates the service of notes. */
export function createNoteService({ notes: repository }: Pick<Repositories, "notes">): NoteService {
  const service = createEntityService("note", repository);
  return {
    createNote: service.create,
    getNote: service.get,
    updateNote: service.update,
    deleteNote: service.remove,
    getNotes: service.list,
    getNotesByEntity: (entityType, entityId, part) =>
      service.list({ entityType: { equalTo: entityType }, entityId: { equalTo: entityId } }, part),
    getNoteHistory: service.history,
  };
}
