/* eslint-disable @typescript-eslint/no-namespace -- libraries require it */

/**
 * Extends the types of libraries. Not imported: it only declares global types.
 */

import type {
  PgClient,
  PgCodec,
  PgRegistry,
  PgResource,
  WithPgClient,
} from "postgraphile/@dataplan/pg";
import type {} from "postgraphile/adaptors/pg";
import type {} from "postgraphile/grafserv/node";

import type { PgSettings } from "../../auth/authenticate.ts";
import type { Changes, PgServiceOptions } from "../../postgres/adaptor.ts";

declare module "http" {
  interface IncomingMessage {
    /** Set by authentication, before GraphQL. */
    pgSettings?: PgSettings;
    /** Aborted when the client disconnects before the response. */
    departure?: AbortSignal;
    /** The error that the execution of a compiled operation has met. */
    failure?: Error | undefined;
    /** The number of bytes of its body. */
    bodySize?: number;
  }
}

declare global {
  namespace Grafast {
    interface Context {
      /** Runs work in one transaction; cancelled when the client disconnects. */
      transact: <Result>(work: (withPgClient: WithPgClient) => Promise<Result>) => Promise<Result>;
      /** Runs work over one connection, and records the changes made. */
      reserve: <Result>(
        work: (withPgClient: WithPgClient, changes: Changes) => Promise<Result>,
      ) => Promise<Result>;
    }
  }

  namespace GraphileConfig {
    interface PgAdaptors {
      pgcrm: {
        adaptorSettings: Pick<PgServiceOptions, "pool" | "prepared"> | undefined;
        makePgServiceOptions: PgAdaptors["@dataplan/pg/adaptors/pg"]["makePgServiceOptions"] &
          PgServiceOptions;
        client: PgClient;
      };
    }
  }

  namespace GraphileBuild {
    interface Inflection {
      /** Added by pg-aggregates, but missing in its types. */
      orderByCountOfManyRelationByKeys(details: {
        registry: PgRegistry;
        codec: PgCodec;
        relationName: string;
      }): string;
      orderByAttributeAggregateOfManyRelationByKeys(details: {
        registry: PgRegistry;
        codec: PgCodec;
        relationName: string;
        attributeName: string;
        aggregateSpec: GraphileBuild.Build["pgAggregateSpecs"][number];
      }): string;
      aggregateHavingAggregateInputType(details: {
        resource: PgResource;
        aggregateSpec: GraphileBuild.Build["pgAggregateSpecs"][number];
      }): string;
      aggregateGroupByAttributeEnum(details: {
        resource: PgResource;
        attributeName: string;
      }): string;
    }

    interface ScopeInputObject {
      /** The input of a row that a bulk mutation may create. */
      isBulkInsert?: boolean;
    }

    /** Registered by pg-aggregates, but missing in its types. */
    interface BehaviorStrings {
      aggregate: true;
      "aggregate:orderBy": true;
      "aggregate:filterBy": true;
      "attribute:groupBy": true;
      "distinctCount:manyRelation:aggregates:orderBy": true;
      "average:manyRelation:aggregates:orderBy": true;
    }
  }
}
