import type {
  CreateCustomFieldDefinition,
  CustomFieldDefinition,
  UpdateCustomFieldDefinition,
} from "../model/generated/rows.ts";
import type { CustomFieldRules } from "../repositories/custom-field-rules.ts";
import type { Repositories } from "../repositories/repositories.ts";
import { createEntityService } from "./entity.ts";

/**
 * The operations on definitions of custom fields, with the rights of an administrator. Every method throws
 * errors of `server/errors/classes.ts`.
 */
export interface CustomFieldService {
  /** @throws {ConstraintViolationError} if the entity type already has a field with this name. */
  defineCustomField(
    data: CreateCustomFieldDefinition,
    userId: string,
  ): Promise<CustomFieldDefinition>;
  /**
   * Changes a definition. A new name also renames the field in every row.
   *
   * @throws {ValidationError} if existing values violate the new rules; the message contains their number.
   */
  changeCustomField(
    id: string,
    data: UpdateCustomFieldDefinition,
    userId: string,
  ): Promise<CustomFieldDefinition>;
  /** Returns the rows that would violate a changed rule: at most 1,000. */
  checkCustomFieldRule: CustomFieldRules["checkRule"];
  /** Renames a value of an enum or a multi_enum, in the definition and in every row. */
  renameCustomFieldValue: CustomFieldRules["renameValue"];
  /**
   * Deletes the definition, and its values in every row.
   *
   * @throws {NotFoundError} if there is no such definition.
   */
  removeCustomField(id: string, userId: string): Promise<void>;
  /** @throws {NotFoundError} if there is no such definition. */
  getCustomField(id: string): Promise<CustomFieldDefinition>;
  /** Returns the definitions of an entity type, by `createdAt`. */
  getCustomFields(
    entityType: CustomFieldDefinition["entityType"],
  ): Promise<CustomFieldDefinition[]>;
}

/** Creates the service of custom fields. */
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
    getCustomFields: (entityType) =>
      service.list({ entityType: { equalTo: entityType } }, { orderBy: { createdAt: "asc" } }),
  };
}
