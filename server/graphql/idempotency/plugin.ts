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
import { isIncluded, variablesOf } from "../limits/cost.ts";
import { rootFields } from "../limits/root-fields.ts";

const name = "idempotencyKey";
const maxCharacters = 255;

/** The most that an answer may have, in bytes: a kilobyte for each row that it may have at most. */
const maxAnswerBytes = 20_000_000;

const description =
  "A text of your own, such as a random UUID, of at most 255 characters. Within 24 hours a request " +
  "that repeats it is answered what the first one was answered, and does nothing. With a key an " +
  "operation has one mutation, which is done with the whole answer or, where that has an error, not " +
  "at all.";

/**
 * Makes mutations safe to repeat. One that carries a key runs in one transaction with everything
 * that its operation asks for, and its answer is kept in that transaction: wherever the server, the
 * database or the connection breaks, either both are there or neither.
 */
export const IdempotencyPlugin: GraphileConfig.Plugin = {
  name: "CrmIdempotencyPlugin",
  version: "1.0.0",
  description: "Answers a mutation that is repeated with its key, and does nothing.",
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
            // Whatever the operation asks for, it asks for in this transaction.
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

/** A request whose answer is to be kept. */
interface Request {
  readonly keyHash: Buffer;
  readonly requestHash: Buffer;
  readonly secret: Secret;
}

/** Ends a transaction in which the operation failed, with what is answered then. */
class Undone extends Error {
  readonly result: ExecutionResult;

  constructor({ data, errors = [] }: ExecutionResult) {
    super("The operation was undone");
    // What follows on an error in a transaction is told nobody.
    const own = errors.filter(({ originalError }) => !hasCode(originalError, "25P02"));
    const nothing = Object.fromEntries(Object.keys(data ?? {}).map((field) => [field, null]));
    this.result = {
      errors: own.length > 0 ? own : errors,
      ...(data === undefined ? {} : { data: data && nothing }),
    };
  }
}

/** @throws {ValidationError} where the key is not one, or cannot be held to. */
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
    refuse("can only be given where there is one mutation in an operation");
  }

  const { role, "crm.user_id": user } = contextValue.pgSettings ?? {};
  const text = document.loc?.source.body ?? print(document);
  const keyHash = hash([user, key]);
  const requestHash = hash([role, operation.name?.value, text, variableValues]);
  return { keyHash, requestHash, secret: { key, salt: keyHash, context: requestHash } };
}

/** The key that a mutation carries. What is no text is left to GraphQL, which refuses it. */
function keyOf(field: FieldNode, values: Readonly<Record<string, unknown>>): string | undefined {
  const input = field.arguments?.find((argument) => argument.name.value === "input");
  const given: unknown = input && valueFromASTUntyped(input.value, values);
  if (typeof given !== "object" || given === null || !(name in given)) return undefined;
  return typeof given[name] === "string" ? given[name] : undefined;
}

function refuse(message: string): never {
  throw new ValidationError(`${name} ${message}`, { [name]: [message] });
}

/** The SHA-256 of a value, whatever order the members of its objects are in. */
function hash(value: unknown): Buffer {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
  return createHash("sha256").update(text).digest();
}

/** The keys belong to the server; the settings of whoever asks must not hold here. */
const asServer = { role: "none" };

/**
 * Takes the key for the transaction, and waits for whoever has it.
 *
 * @returns the answer that was given already, if one was.
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
      "is that of a request that was done; somebody was erased since, and its answer with them",
    );
  }
  return parseAsWritten(await decryptResponse(kept.answer, secret)) as Record<string, unknown>;
}

/** @throws {PayloadTooLargeError} where the answer is too large. */
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
      `The answer has ${actual} bytes; with an ${name} at most ${maximum} are kept, so nothing was ` +
        "done. Ask for fewer fields",
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
 * Whether an answer has nothing but fields of what its mutations changed: a payload, a row in it, and
 * values. What lies deeper may be of anybody.
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
