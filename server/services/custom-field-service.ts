import type {
  CreateCustomFieldDefinition,
  CustomFieldDefinition,
  UpdateCustomFieldDefinition,
} from "../model/generated/rows.ts";
import type { CustomFieldRules } from "../repositories/custom-field-rules.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService } from "./entity.ts";

/**
 * What an administrator does with the definitions of custom fields. Every method throws the errors
 * of `server/errors/classes.ts`.
 */
export interface CustomFieldService {
  /** @throws {ConstraintViolationError} if the entity type has a field of that name. */
  defineCustomField(
    data: CreateCustomFieldDefinition,
    userId: string,
  ): Promise<CustomFieldDefinition>;
  /**
   * Another name takes the values of every row along.
   *
   * @throws {ValidationError} if values that exist contradict the change; it says how many.
   */
  changeCustomField(
    id: string,
    data: UpdateCustomFieldDefinition,
    userId: string,
  ): Promise<CustomFieldDefinition>;
  /** The rows that would break a rule, before a definition is changed: at most 1,000. */
  checkCustomFieldRule: CustomFieldRules["checkRule"];
  /** Gives a value of an enum or a multi_enum another name, in every row that has it. */
  renameCustomFieldValue: CustomFieldRules["renameValue"];
  /**
   * Removes the definition and its values from every row.
   *
   * @throws {NotFoundError} if there is no such definition.
   */
  removeCustomField(id: string, userId: string): Promise<void>;
  /** @throws {NotFoundError} if there is no such definition. */
  getCustomField(id: string): Promise<CustomFieldDefinition>;
  /** The definitions of an entity type, by `createdAt`. */
  getCustomFields(
    entityType: CustomFieldDefinition["entityType"],
  ): Promise<CustomFieldDefinition[]>;
}

/** Makes the service of custom fields. */
export function createCustomFieldService({
  customFieldDefinitions,
}: Pick<Repositories, "customFieldDefinitions">): CustomFieldService {
  const service = createEntityService("customFieldDefinition", customFieldDefinitions);
  return {
    defineCustomField: service.create,
    changeCustomField: service.update,
    checkCustomFieldRule: (...given) => customFieldDefinitions.checkRule(...given),
    renameCustomFieldValue: (...given) => customFieldDefinitions.renameValue(...given),
    removeCustomField: service.remove,
    getCustomField: service.get,
    getCustomFields: (entityType) => service.list({ entityType }),
  };
}
