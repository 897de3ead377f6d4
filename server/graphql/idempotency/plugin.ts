import { createHash } from "node:crypto";
import {
  type ExecutionResult,
  type FieldNode,
  getOperationAST,
  OperationTypeNode,
  print,
  valueFromASTUntyped,
} from "graphql";
import type { WithPgClient } from "postgraphile/@dataplan/pg";

import { ConflictError, PayloadTooLargeError, ValidationError } from "../../errors/classes.ts";
import { parseAsWritten } from "../../model/exact-json.ts";
import { hasCode } from "../../errors/problem.ts";
import { decryptResponse, encryptResponse, type Secret } from "./responses.ts";
import { isIncluded, variablesOf } from "../limits/variables.ts";
import { rootFields } from "../limits/root-fields.ts";

const name = "idempotencyKey";
const maxCharacters = 255;

/** The largest response that is stored, in bytes: a kilobyte for each of the most rows it may have. */
const maxAnswerBytes = 20_000_000;

const description =
  "A unique string that the client chooses, such as a random UUID, of at most 255 characters. For 24 " +
  "hours, a request that repeats it changes nothing and gets the first response. An operation with a key " +
  "has one mutation; mutation and response are one transaction, rolled back if the response has an error.";

/**
 * Makes mutations safe to repeat. A mutation with a key runs in one transaction with its whole operation, and
 * its response is stored in that transaction. If the server, the database or the connection fails, either
 * both exist or neither does.
 */
export const IdempotencyPlugin: GraphileConfig.Plugin = {
  name: "CrmIdempotencyPlugin",
  version: "1.0.0",
  description: "Returns the stored response if a mutation is repeated with its key.",
  after: ["CrmInputErrorsPlugin"],
  schema: {
    hooks: {
      GraphQLInputObjectType_fields(fields, build, { scope: { isMutationInput } }) {
        if (!isMutationInput) return fields;
        const field = { type: build.graphql.GraphQLString, description };
        return build.extend(fields, { [name]: field }, "Adding an idempotency key");
      },
    },
  },
  grafast: {
    middleware: {
      async execute(next, { args }) {
        const request = readRequest(args as Grafast.ExecutionArgs);
        if (request === undefined) return next();
        const context = args.contextValue as Grafast.Context;
        try {
          return await context.transact(async (withPgClient) => {
            const known = await claim(withPgClient, request);
            if (known !== undefined) return { data: known };
            // The whole operation runs in this transaction.
            context.withPgClient = withPgClient as unknown as typeof context.withPgClient;
            const result = (await next()) as ExecutionResult;
            if (result.errors !== undefined || result.data == null) throw new Undone(result);
            await keep(withPgClient, request, result.data);
            return result;
          });
        } catch (error) {
          if (error instanceof Undone) return error.result;
          throw error;
        }
      },
    },
  },
};

/** A request whose response is to be stored. */
interface Request {
  readonly keyHash: Buffer;
  readonly requestHash: Buffer;
  readonly secret: Secret;
}

/** Rolls back the transaction of a failed operation, and carries the response. */
class Undone extends Error {
  readonly result: ExecutionResult;

  constructor({ data, errors = [] }: ExecutionResult) {
    super("The operation was rolled back");
    // Errors that only follow from an earlier one in the transaction are omitted.
    const own = errors.filter(({ originalError }) => !hasCode(originalError, "25P02"));
    const nothing = Object.fromEntries(Object.keys(data ?? {}).map((field) => [field, null]));
    this.result = {
      errors: own.length > 0 ? own : errors,
      ...(data === undefined ? {} : { data: data && nothing }),
    };
  }
}

/** @throws {ValidationError} if the key is invalid, or the operation has several mutations. */
function readRequest({
  document,
  operationName,
  variableValues,
  contextValue,
}: Grafast.ExecutionArgs): Request | undefined {
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.MUTATION) return undefined;
  const values = variablesOf(operation, variableValues ?? {});
  const fields = [
    ...rootFields(operation.selectionSet, document, (node) => isIncluded(node, values)),
  ];
  const key = fields.map((field) => keyOf(field, values)).find((given) => given !== undefined);
  if (key === undefined) return undefined;
  const { length } = Array.from(key);
  if (length < 1 || length > maxCharacters) refuse(`must have 1 to ${maxCharacters} characters`);
  if (new Set(fields.map((field) => field.alias?.value ?? field.name.value)).size > 1) {
    refuse("is only allowed in an operation with one mutation");
  }

  const { role, "crm.user_id": user } = contextValue.pgSettings ?? {};
  const text = document.loc?.source.body ?? print(document);
  const keyHash = hash([user, key]);
  const requestHash = hash([role, operation.name?.value, text, variableValues]);
  return { keyHash, requestHash, secret: { key, salt: keyHash, context: requestHash } };
}

/** Returns the key of a mutation. GraphQL refuses one that is not a string. */
function keyOf(field: FieldNode, values: Readonly<Record<string, unknown>>): string | undefined {
  const input = field.arguments?.find((argument) => argument.name.value === "input");
  const given: unknown = input && valueFromASTUntyped(input.value, values);
  if (typeof given !== "object" || given === null || !(name in given)) return undefined;
  return typeof given[name] === "string" ? given[name] : undefined;
}

function refuse(message: string): never {
  throw new ValidationError(`${name} ${message}`, { [name]: [message] });
}

/** Returns the SHA-256 of a value. The order of the members of objects does not matter. */
function hash(value: unknown): Buffer {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
  return createHash("sha256").update(text).digest();
}

/** Keys belong to the server, so the settings of the user do not apply. */
const asServer = { role: "none" };

/**
 * Claims the key for the transaction. Waits for another transaction that has it.
 *
 * @returns the stored response, if there is one.
 * @throws {ConflictError} if the other transaction runs too long.
 * @throws {ValidationError} if the key was used for another request.
 */
async function claim(
  withPgClient: WithPgClient,
  { keyHash, requestHash, secret }: Request,
): Promise<Record<string, unknown> | undefined> {
  const { rows } = await withPgClient(asServer, (client) =>
    client.query<{ request_hash: Buffer; answer: Buffer | null }>({
      text: "select request_hash, answer from crm_private.claim_idempotency_key($1)",
      values: [keyHash],
    }),
  ).catch((error: unknown) => {
    if (!hasCode(error, "55P03")) throw error;
    throw new ConflictError(`A request with this ${name} is still running; please try again`);
  });
  const [kept] = rows;
  if (kept === undefined) return undefined;
  if (!kept.request_hash.equals(requestHash)) refuse("was used for another request");
  if (kept.answer === null) {
    refuse(
      "belongs to a request that was committed; its response was deleted when a person was erased",
    );
  }
  return parseAsWritten(await decryptResponse(kept.answer, secret)) as Record<string, unknown>;
}

/** @throws {PayloadTooLargeError} if the response is too large. */
async function keep(
  withPgClient: WithPgClient,
  { keyHash, requestHash, secret }: Request,
  data: object,
): Promise<void> {
  const answer = JSON.stringify(data);
  const actual = Buffer.byteLength(answer);
  if (actual > maxAnswerBytes) {
    const maximum = maxAnswerBytes;
    throw new PayloadTooLargeError(
      `The response has ${actual} bytes; with an ${name} at most ${maximum} can be stored, so nothing was ` +
        "changed. Select fewer fields",
      { limit: "keptAnswerBytes", maximum, actual },
    );
  }
  const sealed = await encryptResponse(answer, secret);
  await withPgClient(asServer, (client) =>
    client.query({
      text: "select crm_private.save_response($1, $2, $3, $4)",
      values: [keyHash, requestHash, sealed, isNarrow(data)],
    }),
  );
}

/**
 * Returns whether a response only has fields of the row that its mutation changed: a payload, a row in it,
 * and values. Deeper levels may have data of any person, which erasure has to find.
 */
function isNarrow(data: object): boolean {
  const isPlain = (value: unknown) => typeof value !== "object" || value === null;
  const isValue = (value: unknown) =>
    isPlain(value) || (Array.isArray(value) && value.every(isPlain));
  const isRow = (value: unknown) =>
    isValue(value) || (!Array.isArray(value) && Object.values(value as object).every(isValue));
  return Object.values(data).every(
    (payload) => isPlain(payload) || Object.values(payload as object).every(isRow),
  );
}
