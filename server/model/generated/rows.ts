// Generated from the catalog by npm run generate.

/**
 * A value that JSON can carry. A number that JavaScript would round is a raw value, `JSON.rawJSON`: its
 * `rawJSON` is the text, and written back it is what it was.
 */
export type JsonValue =
  string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** The id by which another system, the source, knows a row. */
export interface ExternalId {
  source: string;
  id: string;
}

/*
 * Times are texts in ISO 8601, UTC, with six decimals: "2026-01-31T09:30:00.123456Z". The
 * specification has Date, which would lose the microseconds that tell two updates apart. Days are
 * "2026-01-31". Exact decimals are texts too: "12.50".
 */

/**
 * A key that an integration asks with. Administrators create and revoke keys; a revoked one
 * stays, because the audit log names it.
 */
export interface ApiKey {
  /** The identifier of the row, set by the database. */
  id: string;
  /** What the integration is called, unique. The audit log has it as key:<name>. */
  name: string;
  /** What the key may do: reader, member or admin. */
  role: "reader" | "member" | "admin";
  /** The first characters of the key, by which people recognise it. */
  prefix: string;
  /** When the key ceases to be good; null if it is good until it is revoked. */
  expiresAt: string | null;
  /** When the key was last used, to the minute; null if it never was. */
  lastUsedAt: string | null;
  /** When the key was revoked; null if it was not. */
  revokedAt: string | null;
  /** Increases by one with every change of the row. */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change, but for its use. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
}

/**
 * The audit log: one row for each row that was created, changed or deleted, written with the
 * change.
 */
export interface AuditLog {
  /** Increases from one entry to the next. */
  id: string;
  /**
   * What was changed: contact, company, deal, task, note, custom_field_definition, pipeline_stage,
   * exchange_rate or api_key; setting, or audit_log for the log itself.
   */
  entityType: string;
  /** The id of the row that was changed. It may be gone. */
  entityId: string;
  /**
   * create, update or delete; erase where the values were taken out of the entries before; purge
   * or archive of the audit log.
   */
  action: string;
  /**
   * Who did it: the subject of a token, key:<name> for an API key, or db:<login role> for a
   * database session.
   */
  userId: string;
  /**
   * What changed. For an update a member for each column, or custom field (custom_fields.<name>),
   * with its old and new value, as {"last_name": {"old": "Byron", "new": "Lovelace"}}. For a
   * create the values of the new row, for a delete the whole old row. Empty if they were erased.
   */
  changes: Record<string, JsonValue>;
  /** When it was done: the created_at or updated_at that the row got by it. */
  timestamp: string;
  /** The database transaction; what was done together has it in common. */
  transactionId: string;
  /** What it was done through: api, import or sql. */
  source: string;
  /** When the values were taken out of changes for good; null if they are there. */
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
  /** The name, at most 255 characters. */
  name: string;
  /**
   * An object with any of the keys street, city, state, postalCode and country, each a string.
   */
  address: Address | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** The ids by which other systems know the company, at most 20. Each belongs to one company. */
  externalIds: ExternalId[];
}
/** What a client may say of a new company. */
export interface CreateCompany {
  /** The name, at most 255 characters. */
  name: string;
  /**
   * An object with any of the keys street, city, state, postalCode and country, each a string.
   */
  address?: Address | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId?: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /** The ids by which other systems know the company, at most 20. Each belongs to one company. */
  externalIds?: ExternalId[];
}
/** What a client may change of a company. What is left out stays as it is. */
export interface UpdateCompany {
  /** The name, at most 255 characters. */
  name?: string;
  /**
   * An object with any of the keys street, city, state, postalCode and country, each a string.
   */
  address?: Address | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId?: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
  /** The ids by which other systems know the company, at most 20. Each belongs to one company. */
  externalIds?: ExternalId[];
}

/** A contact: a person. */
export interface Contact {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The given name, at most 255 characters. */
  firstName: string;
  /** The family name, at most 255 characters. */
  lastName: string;
  /** Email addresses, the preferred one first. */
  emails: string[];
  /** Phone numbers as written, the preferred one first. */
  phones: string[];
  /** The company that the contact works for, if any. Null once that company is deleted. */
  companyId: string | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** The ids by which other systems know the contact, at most 20. Each belongs to one contact. */
  externalIds: ExternalId[];
}
/** What a client may say of a new contact. */
export interface CreateContact {
  /** The given name, at most 255 characters. */
  firstName: string;
  /** The family name, at most 255 characters. */
  lastName: string;
  /** Email addresses, the preferred one first. */
  emails?: string[];
  /** Phone numbers as written, the preferred one first. */
  phones?: string[];
  /** The company that the contact works for, if any. Null once that company is deleted. */
  companyId?: string | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId?: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /** The ids by which other systems know the contact, at most 20. Each belongs to one contact. */
  externalIds?: ExternalId[];
}
/** What a client may change of a contact. What is left out stays as it is. */
export interface UpdateContact {
  /** The given name, at most 255 characters. */
  firstName?: string;
  /** The family name, at most 255 characters. */
  lastName?: string;
  /** Email addresses, the preferred one first. */
  emails?: string[];
  /** Phone numbers as written, the preferred one first. */
  phones?: string[];
  /** The company that the contact works for, if any. Null once that company is deleted. */
  companyId?: string | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId?: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
  /** The ids by which other systems know the contact, at most 20. Each belongs to one contact. */
  externalIds?: ExternalId[];
}

/**
 * A custom field: a name that contacts, companies or deals may carry in customFields, and the
 * rule that its values keep. Deleting a definition removes its values.
 */
export interface CustomFieldDefinition {
  /** The identifier of the row, set by the database. */
  id: string;
  /**
   * The key in customFields: letters, digits and underscores, a letter first. Changing it moves
   * the values of every row.
   */
  name: string;
  /** What people call the field. */
  label: string;
  /** What carries the field: contact, company or deal. It cannot be changed. */
  entityType: "company" | "contact" | "deal";
  /** text, number, date, enum, multi_enum or boolean. */
  fieldType: "text" | "number" | "date" | "enum" | "multi_enum" | "boolean";
  /**
   * The values that an enum or a multi_enum allows; null for every other type.
   * renameCustomFieldValue gives one another name.
   */
  enumValues: string[] | null;
  /** True if every row must have a value. */
  required: boolean;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** What the field is for, at most 1,000 characters. */
  description: string | null;
  /**
   * The least value that a number may have, such as -1.5, or the first day that a date may be,
   * such as 2026-01-31. For these types only.
   */
  minimum: string | null;
  /**
   * The greatest value that a number may have, or the last day that a date may be, written like
   * minimum. For these types only.
   */
  maximum: string | null;
  /**
   * How many characters a text may have, from 1 to 10,000; 10,000 if null. For this type only.
   */
  maxLength: number | null;
  /**
   * A regular expression of PostgreSQL that a text must match, at most 255 characters. It matches
   * anywhere in the text unless it says ^ and $. Back references, lookaround and long repetitions
   * of groups are refused. For this type only.
   */
  pattern: string | null;
  /**
   * The value of a new row that does not have the field; a row that has null for it gets none.
   * Rows that are there stay as they are.
   */
  defaultValue: JsonValue;
  /**
   * True if no two rows of the entity type may have the same value. For a text, a number, a date
   * or an enum.
   */
  isUnique: boolean;
}
/** What a client may say of a new custom field definition. */
export interface CreateCustomFieldDefinition {
  /**
   * The key in customFields: letters, digits and underscores, a letter first. Changing it moves
   * the values of every row.
   */
  name: string;
  /** What people call the field. */
  label: string;
  /** What carries the field: contact, company or deal. It cannot be changed. */
  entityType: "company" | "contact" | "deal";
  /** text, number, date, enum, multi_enum or boolean. */
  fieldType: "text" | "number" | "date" | "enum" | "multi_enum" | "boolean";
  /**
   * The values that an enum or a multi_enum allows; null for every other type.
   * renameCustomFieldValue gives one another name.
   */
  enumValues?: string[] | null;
  /** True if every row must have a value. */
  required?: boolean;
  /** What the field is for, at most 1,000 characters. */
  description?: string | null;
  /**
   * The least value that a number may have, such as -1.5, or the first day that a date may be,
   * such as 2026-01-31. For these types only.
   */
  minimum?: string | null;
  /**
   * The greatest value that a number may have, or the last day that a date may be, written like
   * minimum. For these types only.
   */
  maximum?: string | null;
  /**
   * How many characters a text may have, from 1 to 10,000; 10,000 if null. For this type only.
   */
  maxLength?: number | null;
  /**
   * A regular expression of PostgreSQL that a text must match, at most 255 characters. It matches
   * anywhere in the text unless it says ^ and $. Back references, lookaround and long repetitions
   * of groups are refused. For this type only.
   */
  pattern?: string | null;
  /**
   * The value of a new row that does not have the field; a row that has null for it gets none.
   * Rows that are there stay as they are.
   */
  defaultValue?: JsonValue;
  /**
   * True if no two rows of the entity type may have the same value. For a text, a number, a date
   * or an enum.
   */
  isUnique?: boolean;
}
/** What a client may change of a custom field definition. What is left out stays as it is. */
export interface UpdateCustomFieldDefinition {
  /**
   * The key in customFields: letters, digits and underscores, a letter first. Changing it moves
   * the values of every row.
   */
  name?: string;
  /** What people call the field. */
  label?: string;
  /** text, number, date, enum, multi_enum or boolean. */
  fieldType?: "text" | "number" | "date" | "enum" | "multi_enum" | "boolean";
  /**
   * The values that an enum or a multi_enum allows; null for every other type.
   * renameCustomFieldValue gives one another name.
   */
  enumValues?: string[] | null;
  /** True if every row must have a value. */
  required?: boolean;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
  /** What the field is for, at most 1,000 characters. */
  description?: string | null;
  /**
   * The least value that a number may have, such as -1.5, or the first day that a date may be,
   * such as 2026-01-31. For these types only.
   */
  minimum?: string | null;
  /**
   * The greatest value that a number may have, or the last day that a date may be, written like
   * minimum. For these types only.
   */
  maximum?: string | null;
  /**
   * How many characters a text may have, from 1 to 10,000; 10,000 if null. For this type only.
   */
  maxLength?: number | null;
  /**
   * A regular expression of PostgreSQL that a text must match, at most 255 characters. It matches
   * anywhere in the text unless it says ^ and $. Back references, lookaround and long repetitions
   * of groups are refused. For this type only.
   */
  pattern?: string | null;
  /**
   * The value of a new row that does not have the field; a row that has null for it gets none.
   * Rows that are there stay as they are.
   */
  defaultValue?: JsonValue;
  /**
   * True if no two rows of the entity type may have the same value. For a text, a number, a date
   * or an enum.
   */
  isUnique?: boolean;
}

/** A deal: a sale to a company, on its way through the pipeline. */
export interface Deal {
  /** The identifier of the row, set by the database. */
  id: string;
  /** What the deal is about, at most 255 characters. */
  title: string;
  /** The company that the deal is made with. The deal is deleted with it. */
  companyId: string;
  /** The person at the company, if any. Null once that contact is deleted. */
  contactId: string | null;
  /** What the deal is worth, in its currency: at most two decimals. */
  value: string;
  /** An ISO 4217 code, for example USD. */
  currency: string;
  /** The name of the pipeline stage that the deal is in. */
  stage: string;
  /**
   * The chance of winning, in percent. Unless it is given it is that of the deal's stage, and
   * follows it. What is given stays until the deal is won, which makes it 100, or lost, which
   * makes it 0, or until it is set to null: then it follows the stage again.
   */
  probability: number;
  /** The day on which the deal is expected to close. closed_at tells when it did. */
  closeDate: string | null;
  /**
   * Why the deal was lost, at most 255 characters. Removed when a lost deal moves to a stage of
   * another kind.
   */
  lostReason: string | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** The ids by which other systems know the deal, at most 20. Each belongs to one deal. */
  externalIds: ExternalId[];
  /** True if the probability was given by somebody, false if it follows the stage. */
  probabilityGiven: boolean;
  /**
   * When the deal came into a stage that is won or lost, set by the database. Null while it is
   * open.
   */
  closedAt: string | null;
}
/** What a client may say of a new deal. */
export interface CreateDeal {
  /** What the deal is about, at most 255 characters. */
  title: string;
  /** The company that the deal is made with. The deal is deleted with it. */
  companyId: string;
  /** The person at the company, if any. Null once that contact is deleted. */
  contactId?: string | null;
  /** What the deal is worth, in its currency: at most two decimals. */
  value: string | number;
  /** An ISO 4217 code, for example USD. */
  currency?: string;
  /** The name of the pipeline stage that the deal is in. */
  stage: string;
  /**
   * The chance of winning, in percent. Unless it is given it is that of the deal's stage, and
   * follows it. What is given stays until the deal is won, which makes it 100, or lost, which
   * makes it 0, or until it is set to null: then it follows the stage again.
   */
  probability?: number | null;
  /** The day on which the deal is expected to close. closed_at tells when it did. */
  closeDate?: string | null;
  /**
   * Why the deal was lost, at most 255 characters. Removed when a lost deal moves to a stage of
   * another kind.
   */
  lostReason?: string | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId?: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /** The ids by which other systems know the deal, at most 20. Each belongs to one deal. */
  externalIds?: ExternalId[];
}
/** What a client may change of a deal. What is left out stays as it is. */
export interface UpdateDeal {
  /** What the deal is about, at most 255 characters. */
  title?: string;
  /** The company that the deal is made with. The deal is deleted with it. */
  companyId?: string;
  /** The person at the company, if any. Null once that contact is deleted. */
  contactId?: string | null;
  /** What the deal is worth, in its currency: at most two decimals. */
  value?: string | number;
  /** An ISO 4217 code, for example USD. */
  currency?: string;
  /** The name of the pipeline stage that the deal is in. */
  stage?: string;
  /**
   * The chance of winning, in percent. Unless it is given it is that of the deal's stage, and
   * follows it. What is given stays until the deal is won, which makes it 100, or lost, which
   * makes it 0, or until it is set to null: then it follows the stage again.
   */
  probability?: number | null;
  /** The day on which the deal is expected to close. closed_at tells when it did. */
  closeDate?: string | null;
  /**
   * Why the deal was lost, at most 255 characters. Removed when a lost deal moves to a stage of
   * another kind.
   */
  lostReason?: string | null;
  /** The user who is responsible, or null if nobody is. */
  ownerId?: string | null;
  /**
   * Values of custom fields by name, as crm.custom_field_definitions allow them. Assigning
   * replaces the whole object; assigning {"$merge": {...}} sets the members of the inner one and
   * leaves the others. A field set to null is removed.
   */
  customFields?: Record<string, JsonValue>;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
  /** The ids by which other systems know the deal, at most 20. Each belongs to one deal. */
  externalIds?: ExternalId[];
}

/**
 * What one unit of a currency is worth in the base currency, from a day on until the next rate.
 * Administrators edit the rates.
 */
export interface ExchangeRate {
  /** The identifier of the row, set by the database. */
  id: string;
  /** An ISO 4217 code, for example EUR. The base currency needs no rate. */
  currency: string;
  /** The first day that the rate is good for; the last is the day before the next rate. */
  validFrom: string;
  /** Units of the base currency for one unit of the currency, with at most 12 decimals. */
  rate: string;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
}
/** What a client may say of a new exchange rate. */
export interface CreateExchangeRate {
  /** An ISO 4217 code, for example EUR. The base currency needs no rate. */
  currency: string;
  /** The first day that the rate is good for; the last is the day before the next rate. */
  validFrom: string;
  /** Units of the base currency for one unit of the currency, with at most 12 decimals. */
  rate: string | number;
}
/** What a client may change of a exchange rate. What is left out stays as it is. */
export interface UpdateExchangeRate {
  /** An ISO 4217 code, for example EUR. The base currency needs no rate. */
  currency?: string;
  /** The first day that the rate is good for; the last is the day before the next rate. */
  validFrom?: string;
  /** Units of the base currency for one unit of the currency, with at most 12 decimals. */
  rate?: string | number;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
}

/** A note about a contact, company or deal. It is deleted with that entity. */
export interface Note {
  /** The identifier of the row, set by the database. */
  id: string;
  /** Free text, at most 100,000 characters. */
  content: string;
  /** What it is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that it is attached to. */
  entityId: string;
  /** The contact that it is attached to, if that is what it is attached to. */
  contactId: string | null;
  /** The company that it is attached to, if that is what it is attached to. */
  companyId: string | null;
  /** The deal that it is attached to, if that is what it is attached to. */
  dealId: string | null;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** The ids by which other systems know the note, at most 20. Each belongs to one note. */
  externalIds: ExternalId[];
}
/** What a client may say of a new note. */
export interface CreateNote {
  /** Free text, at most 100,000 characters. */
  content: string;
  /** What it is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that it is attached to. */
  entityId: string;
  /** The ids by which other systems know the note, at most 20. Each belongs to one note. */
  externalIds?: ExternalId[];
}
/** What a client may change of a note. What is left out stays as it is. */
export interface UpdateNote {
  /** Free text, at most 100,000 characters. */
  content?: string;
  /** What it is attached to: contact, company or deal. */
  entityType?: "contact" | "company" | "deal";
  /** The id of the entity that it is attached to. */
  entityId?: string;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
  /** The ids by which other systems know the note, at most 20. Each belongs to one note. */
  externalIds?: ExternalId[];
}

/** A stage of the sales pipeline. Administrators edit the stages. */
export interface PipelineStage {
  /** The identifier of the row, set by the database. */
  id: string;
  /** The name that deals refer to, unique. Renaming a stage renames it on its deals. */
  name: string;
  /** Where the stage stands in the pipeline, counted from 0. The end, if not input. */
  position: number;
  /**
   * The chance of winning, in percent, of the deals at this stage that are given none. A change
   * changes them. Of a stage that is won it is 100, of one that is lost 0, whatever is set here.
   */
  probability: number;
  /** open, won or lost. A change closes or reopens the deals at this stage. */
  kind: "open" | "won" | "lost";
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
}
/** What a client may say of a new pipeline stage. */
export interface CreatePipelineStage {
  /** The name that deals refer to, unique. Renaming a stage renames it on its deals. */
  name: string;
  /** Where the stage stands in the pipeline, counted from 0. The end, if not input. */
  position?: number | null;
  /**
   * The chance of winning, in percent, of the deals at this stage that are given none. A change
   * changes them. Of a stage that is won it is 100, of one that is lost 0, whatever is set here.
   */
  probability?: number;
  /** open, won or lost. A change closes or reopens the deals at this stage. */
  kind?: "open" | "won" | "lost";
}
/** What a client may change of a pipeline stage. What is left out stays as it is. */
export interface UpdatePipelineStage {
  /** The name that deals refer to, unique. Renaming a stage renames it on its deals. */
  name?: string;
  /** Where the stage stands in the pipeline, counted from 0. The end, if not input. */
  position?: number;
  /**
   * The chance of winning, in percent, of the deals at this stage that are given none. A change
   * changes them. Of a stage that is won it is 100, of one that is lost 0, whatever is set here.
   */
  probability?: number;
  /** open, won or lost. A change closes or reopens the deals at this stage. */
  kind?: "open" | "won" | "lost";
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
}

/** A task: something to do about a contact, company or deal. It is deleted with that entity. */
export interface Task {
  /** The identifier of the row, set by the database. */
  id: string;
  /** What is to be done, at most 10,000 characters. */
  description: string;
  /** The day by which it is to be done. */
  dueDate: string | null;
  /** The user who is to do it. */
  assignedTo: string | null;
  /** open or closed. */
  status: "open" | "closed";
  /** What it is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that it is attached to. */
  entityId: string;
  /** The contact that it is attached to, if that is what it is attached to. */
  contactId: string | null;
  /** The company that it is attached to, if that is what it is attached to. */
  companyId: string | null;
  /** The deal that it is attached to, if that is what it is attached to. */
  dealId: string | null;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version: number;
  /** When the row was created. */
  createdAt: string;
  /** When the row was last changed; later with every change. */
  updatedAt: string;
  /** The user who created the row. */
  createdBy: string;
  /** The user who last changed the row. */
  updatedBy: string;
  /** The ids by which other systems know the task, at most 20. Each belongs to one task. */
  externalIds: ExternalId[];
}
/** What a client may say of a new task. */
export interface CreateTask {
  /** What is to be done, at most 10,000 characters. */
  description: string;
  /** The day by which it is to be done. */
  dueDate?: string | null;
  /** The user who is to do it. */
  assignedTo?: string | null;
  /** open or closed. */
  status?: "open" | "closed";
  /** What it is attached to: contact, company or deal. */
  entityType: "contact" | "company" | "deal";
  /** The id of the entity that it is attached to. */
  entityId: string;
  /** The ids by which other systems know the task, at most 20. Each belongs to one task. */
  externalIds?: ExternalId[];
}
/** What a client may change of a task. What is left out stays as it is. */
export interface UpdateTask {
  /** What is to be done, at most 10,000 characters. */
  description?: string;
  /** The day by which it is to be done. */
  dueDate?: string | null;
  /** The user who is to do it. */
  assignedTo?: string | null;
  /** open or closed. */
  status?: "open" | "closed";
  /** What it is attached to: contact, company or deal. */
  entityType?: "contact" | "company" | "deal";
  /** The id of the entity that it is attached to. */
  entityId?: string;
  /**
   * Increases by one with every update. An update that carries another version than the current
   * one is refused with the code CONFLICT.
   */
  version?: number;
  /** The ids by which other systems know the task, at most 20. Each belongs to one task. */
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
/** Inputs of new rows by entity. */
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
/** Inputs of changes by entity. */
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
