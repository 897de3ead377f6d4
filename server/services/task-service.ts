import type { AuditLog, CreateTask, Task, UpdateTask } from "../model/generated/rows.ts";
import type { Filter } from "../repositories/filters.ts";
import type { ListPart } from "../repositories/list.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService } from "./entity.ts";

/** The operations on tasks. Every method throws errors of `server/errors/classes.ts`. */
export interface TaskService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createTask(data: CreateTask, userId: string): Promise<Task>;
  /** @throws {NotFoundError} if there is no such task. */
  getTask(id: string): Promise<Task>;
  /** @throws {ConflictError} if the data contain a version that is not the task's. */
  updateTask(id: string, data: UpdateTask, userId: string): Promise<Task>;
  /** @throws {NotFoundError} if there is no such task. */
  deleteTask(id: string, userId: string): Promise<void>;
  /** Returns the tasks that match a filter, the newest first. More than 1000 require `first`. */
  getTasks(filter?: Filter<"task">, part?: ListPart<"task">): Promise<Task[]>;
  /** Returns the tasks of an entity, the newest first. More than 1000 require `first`. */
  getTasksByEntity(
    entityType: Task["entityType"],
    entityId: string,
    part?: ListPart<"task">,
  ): Promise<Task[]>;
  /** Returns the audit log entries of a task, the oldest first. More than 1000 require `first`. */
  getTaskHistory(id: string, part?: ListPart<"auditLog">): Promise<AuditLog[]>;
}

/** Creates the service of tasks. */
export function createTaskService({ tasks: repository }: Pick<Repositories, "tasks">): TaskService {
  const service = createEntityService("task", repository);
  return {
    createTask: service.create,
    getTask: service.get,
    updateTask: service.update,
    deleteTask: service.remove,
    getTasks: service.list,
    getTasksByEntity: (entityType, entityId, part) =>
      service.list({ entityType: { equalTo: entityType }, entityId: { equalTo: entityId } }, part),
    getTaskHistory: service.history,
  };
}
