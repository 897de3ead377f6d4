import type { PgResource } from "postgraphile/@dataplan/pg";

/** What a bulk mutation does with its rows. */
export type Operation = "create" | "update" | "upsert" | "delete";

const operations: readonly Operation[] = ["create", "update", "upsert", "delete"];

/** An entity whose rows can be written in bulk. */
export interface Entity {
  readonly resource: PgResource;
  /** `contact`. */
  readonly entityType: string;
  /** The name of a list of its rows: `contacts`. */
  readonly list: string;
  /** The name of its GraphQL type: `Contact`. */
  readonly name: string;
}

/** One operation on many rows of one entity. */
export interface BulkMutation {
  readonly entity: Entity;
  readonly operation: Operation;
  /** The name of the mutation: `createContacts`. */
  readonly field: string;
  /** The name of its input type. */
  readonly input: string;
  /** The name of its payload type. */
  readonly payload: string;
  /** The name of the input type of one row: `ContactCreate`. */
  readonly row: string;
}

/** Returns the entities whose rows can be written in bulk: those with external ids. */
export function entitiesOf({ inflection, pgResources }: GraphileBuild.Build): Entity[] {
  return (Object.values(pgResources) as PgResource[])
    .filter(
      ({ parameters, codec }) =>
        parameters === undefined && codec.attributes?.external_ids !== undefined,
    )
    .map((resource) => ({
      resource,
      entityType: inflection.singularize(resource.name),
      list: resource.name,
      name: inflection.tableType(resource.codec),
    }));
}

/** Returns the bulk mutations of an entity. */
export function mutationsOf({ inflection }: GraphileBuild.Build, entity: Entity): BulkMutation[] {
  return operations.map((operation) => {
    const field = inflection.camelCase(`${operation}-${entity.list}`);
    const typeName = inflection.upperCamelCase(field);
    return {
      entity,
      operation,
      field,
      input: `${typeName}Input`,
      payload: `${typeName}Payload`,
      row: rowTypeOf(operation, entity.name),
    };
  });
}

function rowTypeOf(operation: Operation, name: string): string {
  switch (operation) {
    case "create":
      return `${name}Create`;
    case "update":
      return `${name}Update`;
    case "upsert":
      return `${name}Upsert`;
    case "delete":
      return "RowToDelete";
  }
}
