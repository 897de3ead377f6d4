import type { PgCodecRelation, PgCodecWithAttributes, PgResource } from "postgraphile/@dataplan/pg";
import type { GraphQLInputObjectType } from "graphql";

declare module "graphql" {
  interface GraphQLInputFieldExtensions {
    /** The name of the reference that an input field gives by external id, as in the database. */
    reference?: string;
  }
}

/** A reference of a row to another row that has external ids. */
export interface Reference {
  /** The name in the database: `company`. */
  readonly name: string;
  /** The column of the id: `company_id`. */
  readonly attribute: string;
}

/**
 * Returns the references of a table that an input may give by external id. These are the ones that
 * `crm_private.references_of` returns.
 */
export function referencesOf(
  build: GraphileBuild.Build,
  codec: PgCodecWithAttributes,
): Reference[] {
  const { pgRelations } = build.input.pgRegistry;
  const relations = Object.values(
    (pgRelations as Record<string, Record<string, PgCodecRelation>>)[String(codec.name)] ?? {},
  );
  const { attributes } = codec;
  const names = new Set(
    relations.flatMap(
      ({ isReferencee, localAttributes: [attribute, ...others], remoteResource }) =>
        isReferencee || others.length > 0 || !isRecord(remoteResource as PgResource)
          ? []
          : [String(attribute)],
    ),
  );
  // The columns of an attachment are generated from entity_id.
  const isWritten = (name: string) =>
    build.behavior.pgCodecAttributeMatches([codec, name], "attribute:insert");
  const columns = [...names].map((name) => (isWritten(name) ? name : "entity_id"));
  return [...new Set(columns)]
    .filter((attribute) => attribute.endsWith("_id") && attribute in attributes)
    .map((attribute) => ({ name: attribute.slice(0, -"_id".length), attribute }))
    .filter(({ name }) => !(name in attributes));
}

function isRecord({ codec }: PgResource): boolean {
  return codec.attributes?.external_ids !== undefined;
}

/** Returns whether an input gives a reference by external id, or sets it to null. */
export function hasReference(input: unknown, type: GraphQLInputObjectType): boolean {
  if (typeof input !== "object" || input === null) return false;
  const sent = input as Readonly<Record<string, unknown>>;
  return Object.values(type.getFields()).some(
    ({ name, extensions }) => extensions.reference !== undefined && sent[name] !== undefined,
  );
}

/** Returns a reference of an input, `{ externalId }`, as the database reads it. */
export function referenceOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return { external_id: (value as { externalId: unknown }).externalId };
}
