import { sideEffectWithPgClient } from "postgraphile/@dataplan/pg";
import { type FieldArgs, object, type Step } from "postgraphile/grafast";
import type { GraphQLInputObjectType, GraphQLSchema } from "graphql";
import pg from "pg";

import { BulkError, type RowFault, TimeoutError } from "../../errors/classes.ts";
import { bulkFaults } from "../../errors/from-postgres.ts";
import { fieldsAsSent } from "../custom-fields/inputs.ts";
import { rowOf } from "./input-rows.ts";
import type { BulkMutation } from "./mutations.ts";

/** The row that `crm_private.write_rows` returns. */
export interface BulkResult {
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  readonly unchanged: number;
  readonly faults: readonly RowFault[];
  readonly ids: readonly (string | null)[];
}

/** One statement, in a transaction of its own. */
const statement = `
  select created, updated, deleted, unchanged, faults, ids
  from crm_private.write_rows($1, $2, $3::jsonb, $4, $5)`;

/** The SQLSTATE of a statement that exceeded its timeout. */
const queryCanceled = "57014";
const late = "This took too long and was ended; send the rows in smaller lists";

/** Plans a bulk mutation. Its step has the `result` and the `clientMutationId` of the payload. */
export function planWrite(mutation: BulkMutation, args: FieldArgs, schema: GraphQLSchema): Step {
  const { entity, operation } = mutation;
  const type = schema.getType(mutation.row) as GraphQLInputObjectType;
  const $input = object({
    rows: args.getRaw(["input", entity.list]),
    mode: args.getRaw(["input", "mode"]),
    dryRun: args.getRaw(["input", "dryRun"]),
  });
  const $result = sideEffectWithPgClient(
    entity.resource.executor,
    $input,
    async (client, { rows, mode, dryRun }) => {
      const sent = rows as object[];
      const given = sent.map((row) => rowOf(schema, type, row));
      try {
        const { rows: results } = await client.query<BulkResult>({
          text: statement,
          values: [entity.entityType, operation, JSON.stringify(given), mode, dryRun],
        });
        const [result] = results;
        return result && { ...result, faults: faultsAsSent(result.faults, sent, type) };
      } catch (error) {
        if (error instanceof pg.DatabaseError && error.code === queryCanceled) {
          throw new TimeoutError(late, { cause: error });
        }
        const faults = bulkFaults(error);
        if (faults === undefined) throw error;
        throw new BulkError(entity.list, faultsAsSent(faults, sent, type));
      }
    },
  );
  return object({
    result: $result,
    clientMutationId: args.getRaw(["input", "clientMutationId"]),
  });
}

/** Names the fields of faults as the client sent them. */
function faultsAsSent(
  faults: readonly RowFault[],
  sent: readonly object[],
  type: GraphQLInputObjectType,
): RowFault[] {
  return faults.map((fault) => ({
    ...fault,
    fields: fieldsAsSent(fault.fields, sent[fault.index], type),
  }));
}
