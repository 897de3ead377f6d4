// React Admin's data provider for pgcrm.

import { type DataProvider, type GetListParams, HttpError } from "ra-core";

export interface Options {
  /** The URL of the API, such as `http://localhost:5000/graphql`. */
  readonly url: string;
  /** Returns the headers of each request: `authorization` with the user's token. */
  readonly headers: () => Record<string, string> | Promise<Record<string, string>>;
  /**
   * The fields that each resource reads, such as `{ contacts: "firstName lastName company { name }" }`.
   * A resource is named like its list in the API. `id` and `version` are always read.
   */
  readonly fields: Readonly<Record<string, string>>;
}

type Values = Record<string, unknown>;

interface ApiError {
  readonly message: string;
  readonly extensions?: { code?: string; fields?: Record<string, string[]> };
}

/** The status codes by which React Admin and its forms tell errors apart. */
const statuses: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  CONSTRAINT_VIOLATION: 422,
  VALIDATION_ERROR: 422,
};

/**
 * Creates a data provider. The filter `q` searches. Other filters are equal values, lists of them, or
 * conditions of the API such as `{ lastName: { startsWithInsensitive: "by" } }`. An update sends what the
 * user changed, and is refused if another user has changed the row since it was read. `updateMany` and
 * `deleteMany` write all rows or none.
 *
 * Every method throws `HttpError`, with the faults of a form in `body.errors`.
 */
export function createDataProvider({ url, headers, fields }: Options): DataProvider {
  async function send(query: string, variables: Values, signal?: AbortSignal): Promise<any> {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(await headers()) },
      body: JSON.stringify({ query, variables }),
      ...(signal && { signal }),
    });
    const { data, errors } = (await response.json()) as { data?: unknown; errors?: ApiError[] };
    const [error] = errors ?? [];
    if (error) throw toHttpError(error, response.status);
    return data;
  }

  function selectionOf(resource: string): string {
    const selection = fields[resource];
    if (selection === undefined) throw new Error(`The data provider has no fields of ${resource}.`);
    return `{ id version ${selection} }`;
  }

  async function getList(resource: string, { pagination, sort, filter, signal }: GetListParams) {
    const { Entity } = namesOf(resource);
    const { page, perPage } = pagination ?? { page: 1, perPage: 100 };
    const { q: search, ...conditions } = (filter ?? {}) as Values;
    // An argument that is not given has the default of the API.
    const given = Object.entries({
      filter: [`${Entity}Filter`, toFilter(conditions)],
      orderBy: [`[${Entity}OrderBy!]`, toOrder(sort)],
      search: ["String", search],
      first: ["Int", perPage],
      offset: ["Int", (page - 1) * perPage],
    }).filter(([, [, value]]) => value !== undefined && value !== "");
    const declared = given.map(([name, [type]]) => `$${name}: ${String(type)}`).join(", ");
    const passed = given.map(([name]) => `${name}: $${name}`).join(", ");
    const { rows } = await send(
      `query (${declared}) {
        rows: ${resource}(${passed}) { totalCount nodes ${selectionOf(resource)} }
      }`,
      Object.fromEntries(given.map(([name, [, value]]) => [name, value])),
      signal,
    );
    return { data: rows.nodes, total: rows.totalCount };
  }

  async function writeOne(action: "create" | "update" | "delete", resource: string, input: Values) {
    const { entity, Entity } = namesOf(resource);
    const { payload } = await send(
      `mutation ($input: ${capitalize(action)}${Entity}Input!) {
        payload: ${action}${Entity}(input: $input) { row: ${entity} ${selectionOf(resource)} }
      }`,
      { input },
    );
    return { data: payload.row };
  }

  async function writeMany(action: "update" | "delete", resource: string, rows: Values[]) {
    const Entities = capitalize(resource);
    await send(
      `mutation ($input: ${capitalize(action)}${Entities}Input!) {
        ${action}${Entities}(input: $input) { __typename }
      }`,
      { input: { [resource]: rows } },
    );
    return { data: rows.map(({ id }) => id as string) };
  }

  return {
    supportAbortSignal: true,
    getList,
    getManyReference: (resource, { target, id, filter, ...params }) =>
      getList(resource, { ...params, filter: { ...filter, [target]: id } }),
    async getMany(resource, { ids, ...params }) {
      const pagination = { page: 1, perPage: ids.length };
      return {
        data: (await getList(resource, { ...params, pagination, filter: { id: ids } })).data,
      };
    },
    async getOne(resource, { id, signal }) {
      const { entity } = namesOf(resource);
      const query = `query ($id: ID!) { row: ${entity}(id: $id) ${selectionOf(resource)} }`;
      const { row } = await send(query, { id }, signal);
      if (row === null) throw new HttpError(`There is no ${entity} with this id`, 404);
      return { data: row };
    },
    create: (resource, { data }) =>
      writeOne("create", resource, { [namesOf(resource).entity]: data }),
    update: (resource, { id, data, previousData }) =>
      writeOne("update", resource, { id, patch: changesOf(data, previousData) }),
    delete: (resource, { id }) => writeOne("delete", resource, { id }),
    updateMany: (resource, { ids, data }) =>
      writeMany(
        "update",
        resource,
        ids.map((id) => ({ ...data, id })),
      ),
    deleteMany: (resource, { ids }) =>
      writeMany(
        "delete",
        resource,
        ids.map((id) => ({ id })),
      ),
  };
}

/** Returns the names of an entity: `company` and `Company` of `companies`. */
function namesOf(resource: string) {
  const entity = resource.replace(/ies$|s$/, (ending) => (ending === "s" ? "" : "y"));
  return { entity, Entity: capitalize(entity) };
}

function capitalize(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Returns `COMPANY_NAME_ASC` for `company.name`. Ids are random, so their order has no meaning. */
function toOrder(sort: GetListParams["sort"]): string[] | undefined {
  if (sort === undefined || sort.field === "id") return undefined;
  const column = sort.field.replace(".", "_").replace(/[A-Z]/g, "_$&").toUpperCase();
  return [`${column}_${sort.order}`];
}

function toFilter(conditions: Values): Values {
  const given = Object.entries(conditions).filter(
    ([, value]) => value !== undefined && value !== "",
  );
  return Object.fromEntries(given.map(([name, value]) => [name, toCondition(name, value)]));
}

function toCondition(name: string, value: unknown): unknown {
  if (["and", "or", "not"].includes(name)) return value;
  if (Array.isArray(value)) return { in: value };
  if (value === null) return { isNull: true };
  return typeof value === "object" ? value : { equalTo: value };
}

/** Returns what the user changed, and the version that the user read. */
function changesOf(data: Values, previous: Values): Values {
  const changed = Object.entries(data).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(previous[name]),
  );
  return { ...Object.fromEntries(changed), version: previous["version"] };
}

function toHttpError({ message, extensions = {} }: ApiError, status: number): HttpError {
  const { code = "", fields } = extensions;
  const errors =
    fields &&
    Object.fromEntries(Object.entries(fields).map(([name, faults]) => [name, faults.join(", ")]));
  return new HttpError(message, statuses[code] ?? (status < 400 ? 500 : status), { code, errors });
}
