// Generated from the catalog by npm run generate.

/**
 * A value of JSON. A number that JavaScript would round is a raw value, `JSON.rawJSON`: its member
 * `rawJSON` is the original text, and JSON.stringify writes it unchanged.
 */
export type JsonValue =
  string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** The id of a row in another system, the source. */
export interface ExternalId {
  source: string;
  id: string;
}

/*
 * Times are strings in ISO 8601, UTC, with six decimals: "2026-01-31T09:30:00.123456Z". A Date would lose
 * the microseconds, which can distinguish two updates. Days are strings such as "2026-01-31". Exact decimals
 * are strings too: "12.50".
 */

/**
 * An API key, with which an integration authenticates. Administrators create and revoke keys. A
 * revoked key is not deleted, because the audit log refers to it by name.
 */
export interface ApiKey {
  /** The identifier of the row, set by the database. */
  id: string;
  /**
   * The unique name of the integration, at most 100 characters. The audit log records its changes
   * under the user key:<name>.
   */
  name: string;
  /** The role of requests with the key: reader, member or admin. */
  role: "reader" | "member" | "admin";
  /** The first characters of the key, by which people recognise it. */
  prefix: string;
  /** When the key expires. Null if it does not expire. */
  expiresAt: string | null;
  /** When the key was last used, accurate to the minute. Null if it has never been used. */
  lastUsedAt: string | null;
  /** When the key was revoked. Null if it has not been revoked. */
  revokedAt: string | null;
  /** Increases by one with every change of the row. */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Using the key is not a change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
}

/**
 * An audit log entry. Every creation, change and deletion of a row has one, written in the same
 * transaction.
 */
export interface AuditLog {
  /** The id of the entry. It increases from one entry to the next, with gaps. */
  id: string;
  /**
   * The type of the entity that was changed: contact, company, deal, task, note,
   * custom_field_definition, pipeline_stage, exchange_rate, api_key or setting; audit_log for the
   * audit log itself.
   */
  entityType: string;
  /**
   * The id of the row that was changed. The row may no longer exist. All zeros for a setting and
   * for the audit log.
   */
  entityId: string;
  /**
   * What was done: create, update or delete; erase if a person was erased from earlier entries;
   * purge if values of deleted rows were removed; archive if months of the audit log were
   * archived.
   */
  action: "create" | "update" | "delete" | "erase" | "purge" | "archive";
  /**
   * The user who made the change: the subject of a token, key:<name> for an API key, or db:<login
   * role> for a database session.
   */
  userId: string;
  /**
   * What changed. For an update, a member for each changed column or custom field
   * (custom_fields.<name>) with its old and new value, as {"last_name": {"old": "Byron", "new":
   * "Lovelace"}}. For a create, the values of the new row; for a delete, the whole old row. Empty
   * if the values were erased.
   */
  changes: Record<string, JsonValue>;
  /** When the change was made. It equals the created_at or updated_at that the row received. */
  timestamp: string;
  /** The id of the database transaction. All entries of one transaction share it. */
  transactionId: string;
  /** The channel through which the change was made: api, import or sql. */
  source: "api" | "import" | "sql";
  /** When the values were permanently removed from changes. Null if they were not. */
  erasedAt: string | null;
}

export interface Address {
  street?: string;
  city?: string;
  state?: string;
  postalCode?: string;
  country?: string;
}
/** A company: an organisation that contacts work for and deals are made with. */
export interface Company {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The name of the company, at most 255 characters. */
  name: string;
  /**
   * The postal address: an object with any of the keys street, city, state, postalCode and
   * country. Each value is a string of at most 255 characters.
   */
  address: Address | null;
  /** The user who is responsible for the company. Null if there is none. */
  ownerId: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /**
   * The ids of the company in other systems, at most 20. An external id belongs to one company
   * only.
   */
  externalIds: ExternalId[];
}
/** The input to create a company. */
export interface CreateCompany {
  /** The name of the company, at most 255 characters. */
  name: string;
  /**
   * The postal address: an object with any of the keys street, city, state, postalCode and
   * country. Each value is a string of at most 255 characters.
   */
  address?: Address | null;
  /** The user who is responsible for the company. Null if there is none. */
  ownerId?: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * The ids of the company in other systems, at most 20. An external id belongs to one company
   * only.
   */
  externalIds?: ExternalId[];
}
/** The input to update a company. Omitted fields stay unchanged. */
export interface UpdateCompany {
  /** The name of the company, at most 255 characters. */
  name?: string;
  /**
   * The postal address: an object with any of the keys street, city, state, postalCode and
   * country. Each value is a string of at most 255 characters.
   */
  address?: Address | null;
  /** The user who is responsible for the company. Null if there is none. */
  ownerId?: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
  /**
   * The ids of the company in other systems, at most 20. An external id belongs to one company
   * only.
   */
  externalIds?: ExternalId[];
}

/** A contact: a person, who may work for a company. */
export interface Contact {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The given name, at most 255 characters. */
  firstName: string;
  /** The family name, at most 255 characters. */
  lastName: string;
  /** Email addresses, the preferred one first. At most 100, each of at most 254 characters. */
  emails: string[];
  /**
   * Phone numbers as entered, the preferred one first. At most 100, each of at most 255
   * characters.
   */
  phones: string[];
  /**
   * The id of the company that the contact works for. Null if there is none. Deleting the company
   * sets it to null.
   */
  companyId: string | null;
  /** The user who is responsible for the contact. Null if there is none. */
  ownerId: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /**
   * The ids of the contact in other systems, at most 20. An external id belongs to one contact
   * only.
   */
  externalIds: ExternalId[];
}
/** The input to create a contact. */
export interface CreateContact {
  /** The given name, at most 255 characters. */
  firstName: string;
  /** The family name, at most 255 characters. */
  lastName: string;
  /** Email addresses, the preferred one first. At most 100, each of at most 254 characters. */
  emails?: string[];
  /**
   * Phone numbers as entered, the preferred one first. At most 100, each of at most 255
   * characters.
   */
  phones?: string[];
  /**
   * The id of the company that the contact works for. Null if there is none. Deleting the company
   * sets it to null.
   */
  companyId?: string | null;
  /** The user who is responsible for the contact. Null if there is none. */
  ownerId?: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * The ids of the contact in other systems, at most 20. An external id belongs to one contact
   * only.
   */
  externalIds?: ExternalId[];
}
/** The input to update a contact. Omitted fields stay unchanged. */
export interface UpdateContact {
  /** The given name, at most 255 characters. */
  firstName?: string;
  /** The family name, at most 255 characters. */
  lastName?: string;
  /** Email addresses, the preferred one first. At most 100, each of at most 254 characters. */
  emails?: string[];
  /**
   * Phone numbers as entered, the preferred one first. At most 100, each of at most 255
   * characters.
   */
  phones?: string[];
  /**
   * The id of the company that the contact works for. Null if there is none. Deleting the company
   * sets it to null.
   */
  companyId?: string | null;
  /** The user who is responsible for the contact. Null if there is none. */
  ownerId?: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
  /**
   * The ids of the contact in other systems, at most 20. An external id belongs to one contact
   * only.
   */
  externalIds?: ExternalId[];
}

/**
 * The definition of a custom field: its name in the customFields of contacts, companies or
 * deals, and the rules that its values satisfy. Deleting a definition deletes the values.
 */
export interface CustomFieldDefinition {
  /** The identifier of the row, set by the database. */
  id: string;
  /**
   * The key in customFields: at most 100 letters, digits and underscores, beginning with a letter.
   * Changing it renames the key in every row.
   */
  name: string;
  /** The name that users see, at most 255 characters. */
  label: string;
  /**
   * The type of the entities that have the field: contact, company or deal. It cannot be changed.
   */
  entityType: "company" | "contact" | "deal";
  /** The type of the values: text, number, date, enum, multi_enum or boolean. */
  fieldType: "text" | "number" | "date" | "enum" | "multi_enum" | "boolean";
  /**
   * The allowed values of an enum or a multi_enum, 1 to 1,000; null for every other type.
   * renameCustomFieldValue renames a value.
   */
  enumValues: string[] | null;
  /** True if every row must have a value. */
  required: boolean;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** What the field is for, at most 1,000 characters. */
  description: string | null;
  /**
   * The smallest value of a number, such as -1.5, or the first day of a date, such as 2026-01-31.
   * For these types only. Null if there is no minimum.
   */
  minimum: string | null;
  /**
   * The largest value of a number, or the last day of a date, in the format of minimum. For these
   * types only. Null if there is no maximum.
   */
  maximum: string | null;
  /**
   * The maximum number of characters of a text, from 1 to 10,000. For this type only. Null means
   * 10,000.
   */
  maxLength: number | null;
  /**
   * A PostgreSQL regular expression that a text must match, at most 255 characters. It matches
   * anywhere in the text unless it is anchored by ^ and $. Back references, lookaround and long
   * repetitions of groups are refused. For this type only.
   */
  pattern: string | null;
  /**
   * The value of a new row that does not have the field. A new row that has null for it gets no
   * value. Existing rows do not change.
   */
  defaultValue: JsonValue;
  /**
   * True if no two rows of the entity type may have the same value. For a text, a number, a date
   * or an enum only.
   */
  isUnique: boolean;
}
/** The input to create a custom field definition. */
export interface CreateCustomFieldDefinition {
  /**
   * The key in customFields: at most 100 letters, digits and underscores, beginning with a letter.
   * Changing it renames the key in every row.
   */
  name: string;
  /** The name that users see, at most 255 characters. */
  label: string;
  /**
   * The type of the entities that have the field: contact, company or deal. It cannot be changed.
   */
  entityType: "company" | "contact" | "deal";
  /** The type of the values: text, number, date, enum, multi_enum or boolean. */
  fieldType: "text" | "number" | "date" | "enum" | "multi_enum" | "boolean";
  /**
   * The allowed values of an enum or a multi_enum, 1 to 1,000; null for every other type.
   * renameCustomFieldValue renames a value.
   */
  enumValues?: string[] | null;
  /** True if every row must have a value. */
  required?: boolean;
  /** What the field is for, at most 1,000 characters. */
  description?: string | null;
  /**
   * The smallest value of a number, such as -1.5, or the first day of a date, such as 2026-01-31.
   * For these types only. Null if there is no minimum.
   */
  minimum?: string | null;
  /**
   * The largest value of a number, or the last day of a date, in the format of minimum. For these
   * types only. Null if there is no maximum.
   */
  maximum?: string | null;
  /**
   * The maximum number of characters of a text, from 1 to 10,000. For this type only. Null means
   * 10,000.
   */
  maxLength?: number | null;
  /**
   * A PostgreSQL regular expression that a text must match, at most 255 characters. It matches
   * anywhere in the text unless it is anchored by ^ and $. Back references, lookaround and long
   * repetitions of groups are refused. For this type only.
   */
  pattern?: string | null;
  /**
   * The value of a new row that does not have the field. A new row that has null for it gets no
   * value. Existing rows do not change.
   */
  defaultValue?: JsonValue;
  /**
   * True if no two rows of the entity type may have the same value. For a text, a number, a date
   * or an enum only.
   */
  isUnique?: boolean;
}
/** The input to update a custom field definition. Omitted fields stay unchanged. */
export interface UpdateCustomFieldDefinition {
  /**
   * The key in customFields: at most 100 letters, digits and underscores, beginning with a letter.
   * Changing it renames the key in every row.
   */
  name?: string;
  /** The name that users see, at most 255 characters. */
  label?: string;
  /** The type of the values: text, number, date, enum, multi_enum or boolean. */
  fieldType?: "text" | "number" | "date" | "enum" | "multi_enum" | "boolean";
  /**
   * The allowed values of an enum or a multi_enum, 1 to 1,000; null for every other type.
   * renameCustomFieldValue renames a value.
   */
  enumValues?: string[] | null;
  /** True if every row must have a value. */
  required?: boolean;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
  /** What the field is for, at most 1,000 characters. */
  description?: string | null;
  /**
   * The smallest value of a number, such as -1.5, or the first day of a date, such as 2026-01-31.
   * For these types only. Null if there is no minimum.
   */
  minimum?: string | null;
  /**
   * The largest value of a number, or the last day of a date, in the format of minimum. For these
   * types only. Null if there is no maximum.
   */
  maximum?: string | null;
  /**
   * The maximum number of characters of a text, from 1 to 10,000. For this type only. Null means
   * 10,000.
   */
  maxLength?: number | null;
  /**
   * A PostgreSQL regular expression that a text must match, at most 255 characters. It matches
   * anywhere in the text unless it is anchored by ^ and $. Back references, lookaround and long
   * repetitions of groups are refused. For this type only.
   */
  pattern?: string | null;
  /**
   * The value of a new row that does not have the field. A new row that has null for it gets no
   * value. Existing rows do not change.
   */
  defaultValue?: JsonValue;
  /**
   * True if no two rows of the entity type may have the same value. For a text, a number, a date
   * or an enum only.
   */
  isUnique?: boolean;
}

/** A deal: a possible sale to a company. It moves through the stages of the pipeline. */
export interface Deal {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The title of the deal, at most 255 characters. */
  title: string;
  /** The id of the company that the deal is made with. Deleting the company deletes the deal. */
  companyId: string;
  /**
   * The id of the contact at the company. Null if there is none. Deleting the contact sets it to
   * null.
   */
  contactId: string | null;
  /** The value of the deal in its currency, with at most two decimals. */
  value: string;
  /** The currency of the value, as an ISO 4217 code such as USD, which is the default. */
  currency: string;
  /** The name of the pipeline stage that the deal is in. */
  stage: string;
  /**
   * The probability of winning the deal, in percent. By default it follows the deal's stage. A
   * value that was set remains until the deal is won (100) or lost (0), or until the value is set
   * to null; then it follows the stage again.
   */
  probability: number;
  /** The day on which the deal is expected to close. closed_at records when it did. */
  closeDate: string | null;
  /**
   * Why the deal was lost, at most 255 characters. It is set to null when a lost deal moves to a
   * stage that is not lost.
   */
  lostReason: string | null;
  /** The user who is responsible for the deal. Null if there is none. */
  ownerId: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /**
   * The ids of the deal in other systems, at most 20. An external id belongs to one deal only.
   */
  externalIds: ExternalId[];
  /** True if the probability was set explicitly, false if it follows the stage. */
  probabilityGiven: boolean;
  /**
   * When the deal entered a won or lost stage, set by the database. Null while the deal is open.
   */
  closedAt: string | null;
}
/** The input to create a deal. */
export interface CreateDeal {
  /** The title of the deal, at most 255 characters. */
  title: string;
  /** The id of the company that the deal is made with. Deleting the company deletes the deal. */
  companyId: string;
  /**
   * The id of the contact at the company. Null if there is none. Deleting the contact sets it to
   * null.
   */
  contactId?: string | null;
  /** The value of the deal in its currency, with at most two decimals. */
  value: string | number;
  /** The currency of the value, as an ISO 4217 code such as USD, which is the default. */
  currency?: string;
  /** The name of the pipeline stage that the deal is in. */
  stage: string;
  /**
   * The probability of winning the deal, in percent. By default it follows the deal's stage. A
   * value that was set remains until the deal is won (100) or lost (0), or until the value is set
   * to null; then it follows the stage again.
   */
  probability?: number | null;
  /** The day on which the deal is expected to close. closed_at records when it did. */
  closeDate?: string | null;
  /**
   * Why the deal was lost, at most 255 characters. It is set to null when a lost deal moves to a
   * stage that is not lost.
   */
  lostReason?: string | null;
  /** The user who is responsible for the deal. Null if there is none. */
  ownerId?: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * The ids of the deal in other systems, at most 20. An external id belongs to one deal only.
   */
  externalIds?: ExternalId[];
}
/** The input to update a deal. Omitted fields stay unchanged. */
export interface UpdateDeal {
  /** The title of the deal, at most 255 characters. */
  title?: string;
  /** The id of the company that the deal is made with. Deleting the company deletes the deal. */
  companyId?: string;
  /**
   * The id of the contact at the company. Null if there is none. Deleting the contact sets it to
   * null.
   */
  contactId?: string | null;
  /** The value of the deal in its currency, with at most two decimals. */
  value?: string | number;
  /** The currency of the value, as an ISO 4217 code such as USD, which is the default. */
  currency?: string;
  /** The name of the pipeline stage that the deal is in. */
  stage?: string;
  /**
   * The probability of winning the deal, in percent. By default it follows the deal's stage. A
   * value that was set remains until the deal is won (100) or lost (0), or until the value is set
   * to null; then it follows the stage again.
   */
  probability?: number | null;
  /** The day on which the deal is expected to close. closed_at records when it did. */
  closeDate?: string | null;
  /**
   * Why the deal was lost, at most 255 characters. It is set to null when a lost deal moves to a
   * stage that is not lost.
   */
  lostReason?: string | null;
  /** The user who is responsible for the deal. Null if there is none. */
  ownerId?: string | null;
  /**
   * The values of custom fields by name; crm.custom_field_definitions defines the fields.
   * Assigning an object replaces all values. Assigning {"$merge": {...}} sets the members of the
   * inner object only. A field that is set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
  /**
   * The ids of the deal in other systems, at most 20. An external id belongs to one deal only.
   */
  externalIds?: ExternalId[];
}

/**
 * The value of one unit of a currency in the base currency, from a day until the next rate.
 * Administrators edit the rates.
 */
export interface ExchangeRate {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The currency, as an ISO 4217 code such as EUR. The base currency has no rate. */
  currency: string;
  /** The first day of the rate. It applies until the day before the next rate of the currency. */
  validFrom: string;
  /**
   * The number of units of the base currency for one unit of the currency, with at most 12
   * decimals.
   */
  rate: string;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
}
/** The input to create a exchange rate. */
export interface CreateExchangeRate {
  /** The currency, as an ISO 4217 code such as EUR. The base currency has no rate. */
  currency: string;
  /** The first day of the rate. It applies until the day before the next rate of the currency. */
  validFrom: string;
  /**
   * The number of units of the base currency for one unit of the currency, with at most 12
   * decimals.
   */
  rate: string | number;
}
/** The input to update a exchange rate. Omitted fields stay unchanged. */
export interface UpdateExchangeRate {
  /** The currency, as an ISO 4217 code such as EUR. The base currency has no rate. */
  currency?: string;
  /** The first day of the rate. It applies until the day before the next rate of the currency. */
  validFrom?: string;
  /**
   * The number of units of the base currency for one unit of the currency, with at most 12
   * decimals.
   */
  rate?: string | number;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
}

/** A note about a contact, company or deal. Deleting that entity deletes the note. */
export interface Note {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The text of the note, at most 100,000 characters. */
  content: string;
  /** The type of the entity that the note is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that the note is attached to. */
  entityId: string;
  /**
   * The id of the contact that the note is attached to. Null if it is attached to another type of
   * entity.
   */
  contactId: string | null;
  /**
   * The id of the company that the note is attached to. Null if it is attached to another type of
   * entity.
   */
  companyId: string | null;
  /**
   * The id of the deal that the note is attached to. Null if it is attached to another type of
   * entity.
   */
  dealId: string | null;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /**
   * The ids of the note in other systems, at most 20. An external id belongs to one note only.
   */
  externalIds: ExternalId[];
}
/** The input to create a note. */
export interface CreateNote {
  /** The text of the note, at most 100,000 characters. */
  content: string;
  /** The type of the entity that the note is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that the note is attached to. */
  entityId: string;
  /**
   * The ids of the note in other systems, at most 20. An external id belongs to one note only.
   */
  externalIds?: ExternalId[];
}
/** The input to update a note. Omitted fields stay unchanged. */
export interface UpdateNote {
  /** The text of the note, at most 100,000 characters. */
  content?: string;
  /** The type of the entity that the note is attached to: contact, company or deal. */
  entityType?: "contact" | "company" | "deal";
  /** The id of the entity that the note is attached to. */
  entityId?: string;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
  /**
   * The ids of the note in other systems, at most 20. An external id belongs to one note only.
   */
  externalIds?: ExternalId[];
}

/** A stage of the sales pipeline. Administrators edit the stages. */
export interface PipelineStage {
  /** The identifier of the row, set by the database. */
  id: string;
  /**
   * The unique name by which deals refer to the stage, at most 100 characters. Renaming a stage
   * renames it on its deals.
   */
  name: string;
  /** The position of the stage in the pipeline, from 0. By default a new stage is the last. */
  position: number;
  /**
   * The probability of winning, in percent, of deals in this stage that have none of their own. A
   * change applies to these deals. Deals in a won stage have 100 and deals in a lost stage 0,
   * regardless of this value.
   */
  probability: number;
  /**
   * The kind of the stage: open, won or lost. A change closes or reopens the deals in this stage.
   */
  kind: "open" | "won" | "lost";
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
}
/** The input to create a pipeline stage. */
export interface CreatePipelineStage {
  /**
   * The unique name by which deals refer to the stage, at most 100 characters. Renaming a stage
   * renames it on its deals.
   */
  name: string;
  /** The position of the stage in the pipeline, from 0. By default a new stage is the last. */
  position?: number | null;
  /**
   * The probability of winning, in percent, of deals in this stage that have none of their own. A
   * change applies to these deals. Deals in a won stage have 100 and deals in a lost stage 0,
   * regardless of this value.
   */
  probability?: number;
  /**
   * The kind of the stage: open, won or lost. A change closes or reopens the deals in this stage.
   */
  kind?: "open" | "won" | "lost";
}
/** The input to update a pipeline stage. Omitted fields stay unchanged. */
export interface UpdatePipelineStage {
  /**
   * The unique name by which deals refer to the stage, at most 100 characters. Renaming a stage
   * renames it on its deals.
   */
  name?: string;
  /** The position of the stage in the pipeline, from 0. By default a new stage is the last. */
  position?: number;
  /**
   * The probability of winning, in percent, of deals in this stage that have none of their own. A
   * change applies to these deals. Deals in a won stage have 100 and deals in a lost stage 0,
   * regardless of this value.
   */
  probability?: number;
  /**
   * The kind of the stage: open, won or lost. A change closes or reopens the deals in this stage.
   */
  kind?: "open" | "won" | "lost";
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
}

/**
 * A task: something to do for a contact, company or deal. Deleting that entity deletes the task.
 */
export interface Task {
  /** The identifier of the row, set by the database. */
  id: string;
  /** What to do, at most 10,000 characters. */
  description: string;
  /** The day on which the task is due. */
  dueDate: string | null;
  /** The user to whom the task is assigned. */
  assignedTo: string | null;
  /** The status of the task: open, which is the default, or closed. */
  status: "open" | "closed";
  /** The type of the entity that the task is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that the task is attached to. */
  entityId: string;
  /**
   * The id of the contact that the task is attached to. Null if it is attached to another type of
   * entity.
   */
  contactId: string | null;
  /**
   * The id of the company that the task is attached to. Null if it is attached to another type of
   * entity.
   */
  companyId: string | null;
  /**
   * The id of the deal that the task is attached to. Null if it is attached to another type of
   * entity.
   */
  dealId: string | null;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed. Every change sets a later time. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /**
   * The ids of the task in other systems, at most 20. An external id belongs to one task only.
   */
  externalIds: ExternalId[];
}
/** The input to create a task. */
export interface CreateTask {
  /** What to do, at most 10,000 characters. */
  description: string;
  /** The day on which the task is due. */
  dueDate?: string | null;
  /** The user to whom the task is assigned. */
  assignedTo?: string | null;
  /** The status of the task: open, which is the default, or closed. */
  status?: "open" | "closed";
  /** The type of the entity that the task is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that the task is attached to. */
  entityId: string;
  /**
   * The ids of the task in other systems, at most 20. An external id belongs to one task only.
   */
  externalIds?: ExternalId[];
}
/** The input to update a task. Omitted fields stay unchanged. */
export interface UpdateTask {
  /** What to do, at most 10,000 characters. */
  description?: string;
  /** The day on which the task is due. */
  dueDate?: string | null;
  /** The user to whom the task is assigned. */
  assignedTo?: string | null;
  /** The status of the task: open, which is the default, or closed. */
  status?: "open" | "closed";
  /** The type of the entity that the task is attached to: contact, company or deal. */
  entityType?: "contact" | "company" | "deal";
  /** The id of the entity that the task is attached to. */
  entityId?: string;
  /**
   * Increases by one with every update. An update with a version other than the current one fails
   * with the code CONFLICT.
   */
  version?: number;
  /**
   * The ids of the task in other systems, at most 20. An external id belongs to one task only.
   */
  externalIds?: ExternalId[];
}

/** Row types by entity. */
export interface Rows {
  company: Company;
  contact: Contact;
  customFieldDefinition: CustomFieldDefinition;
  deal: Deal;
  exchangeRate: ExchangeRate;
  note: Note;
  pipelineStage: PipelineStage;
  task: Task;
}
/** Inputs to create rows, by entity. */
export interface Creates {
  company: CreateCompany;
  contact: CreateContact;
  customFieldDefinition: CreateCustomFieldDefinition;
  deal: CreateDeal;
  exchangeRate: CreateExchangeRate;
  note: CreateNote;
  pipelineStage: CreatePipelineStage;
  task: CreateTask;
}
/** Inputs to update rows, by entity. */
export interface Updates {
  company: UpdateCompany;
  contact: UpdateContact;
  customFieldDefinition: UpdateCustomFieldDefinition;
  deal: UpdateDeal;
  exchangeRate: UpdateExchangeRate;
  note: UpdateNote;
  pipelineStage: UpdatePipelineStage;
  task: UpdateTask;
}
