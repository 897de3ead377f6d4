import type { AuditLog, CreateTask, Task, UpdateTask } from "../model/generated/rows.ts";
import type { Filters } from "../repositories/filters.ts";
import type { Pagination } from "../repositories/pagination.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService } from "./entity.ts";

/** What an application does with tasks. Every method throws the errors of `server/errors/classes.ts`. */
export interface TaskService {
  /** @throws {ValidationError} with every fault of the input, by field. */
  createTask(data: CreateTask, userId: string): Promise<Task>;
  /** @throws {NotFoundError} if there is no such task. */
  getTask(id: string): Promise<Task>;
  /** @throws {ConflictError} if the data carry a version that is not the task's. */
  updateTask(id: string, data: UpdateTask, userId: string): Promise<Task>;
  /** @throws {NotFoundError} if there is no such task. */
  deleteTask(id: string, userId: string): Promise<void>;
  /** The tasks that meet all filters, by `createdAt`; more than 1000 need a page. */
  getTasks(filters?: Filters<Task>, pagination?: Pagination): Promise<Task[]>;
  /** The tasks of an entity, by `createdAt`; more than 1000 need a page. */
  getTasksByEntity(
    entityType: Task["entityType"],
    entityId: string,
    pagination?: Pagination,
  ): Promise<Task[]>;
  /** What was done to a task, the oldest first. */
  getTaskHistory(id: string): Promise<AuditLog[]>;
}

/** Makes the service of tasks. */
export function createTaskService({ tasks: repository }: Pick<Repositories, "tasks">): TaskService {
  const service = createEntityService("task", repository);
  return {
    createTask: service.create,
    getTask: service.get,
    updateTask: service.update,
    deleteTask: service.remove,
    getTasks: service.list,
    getTasksByEntity: (entityType, entityId, pagination) =>
      service.list({ entityType, entityId }, pagination),
    getTaskHistory: service.history,
  };
}
