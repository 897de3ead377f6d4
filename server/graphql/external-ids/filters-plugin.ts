import type { PgCondition } from "postgraphile/@dataplan/pg";
import { GraphQLList, GraphQLString } from "graphql";

import { entitiesOf } from "../bulk/mutations.ts";
import { required } from "../bulk/types.ts";
import { operatorsMark } from "../filters/nulls.ts";

interface ExternalId {
  readonly source: string;
  readonly id: string;
}

/** The value of a filter on external ids. A null is like a value that is not given. */
interface Conditions {
  readonly anyEqualTo?: ExternalId | null;
  readonly overlaps?: readonly ExternalId[] | null;
  readonly anySourceEqualTo?: string | null;
}

const origin = "CrmExternalIdFiltersPlugin";

/**
 * Filters rows by their external ids. They are looked up by the key of the external ids, in a separate
 * subquery, and the rows then by their ids. A filter by source reads each row.
 */
export const ExternalIdFiltersPlugin: GraphileConfig.Plugin = {
  name: origin,
  version: "1.0.0",
  description: "Adds filters on external ids.",
  schema: {
    hooks: {
      init(_, build) {
        build.registerInputObjectType(
          "ExternalIdListFilter",
          {},
          () => ({
            description: "Conditions on external ids; all must be met.",
            extensions: { [operatorsMark]: true },
            fields: () => ({
              anyEqualTo: {
                type: build.getInputTypeByName("ExternalIdInput"),
                description: "Any external id is equal to this one.",
              },
              overlaps: {
                type: new GraphQLList(required(build.getInputTypeByName("ExternalIdInput"))),
                description: "Any external id is equal to one of these.",
              },
              anySourceEqualTo: {
                type: GraphQLString,
                description: "Any external id is from this source.",
              },
            }),
          }),
          origin,
        );
        return _;
      },

      GraphQLInputObjectType_fields(fields, build, { scope, fieldWithHooks }) {
        const { isPgConnectionFilter, pgCodec } = scope;
        const entity = isPgConnectionFilter
          ? entitiesOf(build).find(({ resource }) => resource.codec === pgCodec)
          : undefined;
        if (entity === undefined) return fields;
        const fieldName = "externalIds";
        const added = fieldWithHooks({ fieldName, isPgConnectionFilterField: true }, () => ({
          description: "Conditions on `externalIds`.",
          type: build.getInputTypeByName("ExternalIdListFilter"),
          apply(rows: PgCondition, value: Conditions | null) {
            if (value === null) return;
            const { anyEqualTo, overlaps, anySourceEqualTo } = value;
            if (anyEqualTo != null) hasOneOf(build, entity.entityType, rows, [anyEqualTo]);
            if (overlaps != null) hasOneOf(build, entity.entityType, rows, overlaps);
            if (anySourceEqualTo != null) hasSource(build, rows, anySourceEqualTo);
          },
        }));
        return build.extend(fields, { [fieldName]: added }, "Adding a filter on external ids");
      },
    },
  },
};

function hasOneOf(
  { sql, dataplanPg: { listOfCodec, sqlValueWithCodec, TYPES } }: GraphileBuild.Build,
  entityType: string,
  rows: PgCondition,
  ids: readonly ExternalId[],
): void {
  const texts = (values: string[]) => sqlValueWithCodec(values, listOfCodec(TYPES.text));
  rows.where(sql`${rows.alias}.id = any (array(
    select crm_private.rows_with_external_ids(
      ${sql.literal(entityType)},
      ${texts(ids.map(({ source }) => source))},
      ${texts(ids.map(({ id }) => id))}
    )
  ))`);
}

function hasSource(
  { sql, dataplanPg: { sqlValueWithCodec, TYPES } }: GraphileBuild.Build,
  rows: PgCondition,
  source: string,
): void {
  rows.where(sql`exists (
    select from unnest(${rows.alias}.external_ids) as own
    where own.source = ${sqlValueWithCodec(source, TYPES.text)}
  )`);
}
