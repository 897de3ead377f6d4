import { type PgCodecWithAttributes, type PgResource, TYPES } from "postgraphile/@dataplan/pg";
import { sql } from "postgraphile/pg-sql2";

import type { OrderedRows } from "../paging/moment.ts";
import { relevance, searchedTypeOf } from "./searched.ts";

/**
 * Adds the argument `search` to the lists of every entity that search finds, and the order `RELEVANCE`. The
 * plugin of pages applies both.
 */
export const ListSearchPlugin: GraphileConfig.Plugin = {
  name: "CrmListSearchPlugin",
  version: "1.0.0",
  description: "Adds the argument search and the order RELEVANCE to lists.",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field_args(args, build, { scope }) {
        const resource = scope.pgFieldResource as PgResource | undefined;
        if (!scope.isPgFieldConnection || !resource) return args;
        if (searchedTypeOf(resource) === undefined) return args;
        const search = {
          description:
            "Returns only the rows that a search for this text finds, as `search` does. A blank text is " +
            "ignored.",
          type: build.graphql.GraphQLString,
        };
        return build.extend(args, { search }, "Adding search to a list");
      },

      GraphQLEnumType_values(values, build, { scope }) {
        const codec = scope.pgCodec as PgCodecWithAttributes | undefined;
        const resource = scope.isPgRowSortEnum && codec && build.pgTableResource(codec);
        if (!resource || searchedTypeOf(resource as PgResource) === undefined) return values;
        const order = {
          description: "By how well the row matches `search`, the best first.",
          extensions: { grafast: { apply: byRelevance } },
        };
        return build.extend(values, { [relevance]: order }, "Adding the order by relevance");
      },
    },
  },
};

/** Orders rows as `search` orders its hits. */
function byRelevance(rows: OrderedRows): void {
  const hits = rows.hits();
  const rank = sql`${hits}.rank`;
  rows.orderBy({ fragment: rank, codec: TYPES.float, direction: "DESC", nullable: false });
  const length = sql`${hits}.name_length`;
  rows.orderBy({ fragment: length, codec: TYPES.int, direction: "ASC", nullable: true });
  rows.orderBy({ attribute: "created_at", direction: "DESC" });
  rows.orderBy({ attribute: "id", direction: "ASC" });
}
