/* eslint-disable @typescript-eslint/no-namespace -- libraries know no other way */

/**
 * What this product adds to the types of the libraries around it. Nothing imports this: it is types
 * only, and global.
 */

import type {
  PgClient,
  PgCodec,
  PgRegistry,
  PgResource,
  WithPgClient,
} from "postgraphile/@dataplan/pg";
import type {} from "postgraphile/adaptors/pg";
import type {} from "postgraphile/grafserv/express/v4";

import type { PgSettings } from "../../auth/authenticate.ts";
import type { CurrentRequest } from "../../http/requests.ts";
import type { Changes, PgServiceOptions } from "../../postgres/adaptor.ts";

declare module "http" {
  interface IncomingMessage {
    /** Set by authentication, before anything of GraphQL runs. */
    pgSettings?: PgSettings;
    /** What is known of it for the log, and its id. */
    current?: CurrentRequest;
    /** Aborted when the client leaves before it is answered. */
    departure?: AbortSignal;
  }
}

declare global {
  namespace Grafast {
    interface Context {
      /** Does something in one transaction; when the client leaves, it is cut short. */
      transact: <Result>(work: (withPgClient: WithPgClient) => Promise<Result>) => Promise<Result>;
      /** Does something over one connection, and keeps account of what was changed. */
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
      /** Added by pg-aggregates, which leaves them out of its types. */
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
      /** A row of a bulk mutation that may create it. */
      isBulkInsert?: boolean;
    }

    /** Registered by pg-aggregates, which leaves them out of its types. */
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
