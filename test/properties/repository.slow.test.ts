import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { withConnection } from "../../server/postgres/connect.ts";
import { createTypeSchemas } from "../../server/model/schemas.ts";
import { change, entities, fault, inputs, spoil, spoilt } from "./arbitraries.ts";
import { type Api, refusal, type Row } from "./api.ts";
import { holds, openApis } from "./apis.ts";
import { expectUpdated, stored, unstamped } from "./expected.ts";
import { anything, complete, createDraft, isTold, telling, uniqueName } from "./drafts.ts";

const { apis, ownerUrl } = openApis();
const secret = "what nobody may hear of";

beforeAll(async () => {
  await withConnection(ownerUrl(), (client) =>
    client.query(`
      create function public.fail() returns trigger language plpgsql as $$
      begin
        raise exception '${secret}';
      end $$;
      create trigger fail before insert on crm.notes
        for each row when (new.content = '${secret}') execute function public.fail();
    `),
  );
});

/** Anything, with a patch for it; what a definition is called, and what values it has, stays. */
const changed = fc.constantFrom(...entities).chain((entity) =>
  change(inputs[entity]).map(({ input: data, patch }) => ({
    entity,
    data,
    patch: entity === "customFieldDefinition" ? { label: patch.label ?? data.label } : patch,
  })),
);

const scene = fc.constantFrom(...entities).chain((entity) =>
  fc.record({
    entity: fc.constant(entity),
    data: inputs[entity],
    fault: fault(entity),
    absent: fc.uuid({ version: 4 }),
  }),
);
type Scene = typeof scene extends fc.Arbitrary<infer Value> ? Value : never;

interface Failure {
  attempt: (api: Api, scene: Scene) => Promise<unknown>;
  /** What GraphQL calls it, and what class it is in TypeScript. */
  code: string;
  type: string;
  /** The fields that it names, without their members. */
  fields?: (scene: Scene) => string[];
}

const failures: Failure[] = [
  {
    code: "VALIDATION_ERROR",
    type: "ValidationError",
    attempt: async (api, { entity, data, fault }) =>
      api.create(entity, spoilt(entity, await complete(api, { entity, data }), fault)),
    fields: ({ fault }) => [fault.field],
  },
  {
    code: "NOT_FOUND",
    type: "NotFoundError",
    attempt: (api, { entity, absent }) => api.update(entity, absent, { [telling[entity]]: "x" }),
  },
  {
    code: "CONSTRAINT_VIOLATION",
    type: "ConstraintViolationError",
    attempt: (api, { absent }) => {
      const contact = { firstName: "Ada", lastName: "Lovelace", companyId: absent };
      return api.create("contact", contact);
    },
    fields: () => ["companyId"],
  },
  {
    code: "CONFLICT",
    type: "ConflictError",
    attempt: async (api, { entity, data }) => {
      const { id, version } = await createDraft(api, { entity, data });
      await api.update(entity, id, { [telling[entity]]: uniqueName("first") });
      return api.update(entity, id, { [telling[entity]]: "second", version });
    },
  },
  {
    code: "INTERNAL",
    type: "DatabaseError",
    attempt: async (api) =>
      api.create("note", await complete(api, { entity: "note", data: { content: secret } })),
  },
];

describe.each(apis)("any entity through $name", (api) => {
  // Feature: core-data-models, Property 31: Repository create returns entity with ID
  test("creating gives the entity as it is stored, with an id that nothing else has", () =>
    holds(fc.array(anything, { minLength: 2, maxLength: 3 }), async (drafts) => {
      const rows: Row[] = [];
      for (const draft of drafts) {
        const input = await complete(api, draft);
        const row = await api.create(draft.entity, input);
        expect(unstamped(row)).toEqual(stored(draft.entity, input));
        expect(row.version).toBe(1);
        expect(row.updatedAt).toBe(row.createdAt);
        rows.push(row);
      }
      expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    }));

  // Feature: core-data-models, Property 32: Repository read retrieves by ID
  test("reading by an id gives the same entity with every field, and by any other id none", () =>
    holds(fc.record({ draft: anything, other: fc.uuid() }), async ({ draft, other }) => {
      const row = await createDraft(api, draft);
      expect(await api.find(draft.entity, row.id)).toEqual(row);
      expect(await api.find(draft.entity, row.id.toUpperCase())).toEqual(row);
      expect(await api.find(draft.entity, other)).toBeNull();
    }));

  // Feature: core-data-models, Property 33: Repository update returns updated entity
  // Departure: an update that changes nothing gives the entity as it was, of the same version.
  test("updating gives the entity as it is stored then, under the same id", () =>
    holds(changed, async ({ entity, data, patch }) => {
      const before = await createDraft(api, { entity, data });
      const after = await api.update(entity, before.id, patch);
      expectUpdated(before, after, patch);
      expect(await api.find(entity, before.id)).toEqual(after);
    }));

  // Feature: core-data-models, Property 34: Repository delete removes entity
  test("what is deleted cannot be read, updated or deleted again", () =>
    holds(anything, async ({ entity, data }) => {
      const { id } = await createDraft(api, { entity, data });
      await api.remove(entity, id);
      expect(await api.find(entity, id)).toBeNull();
      const notFound = { code: "NOT_FOUND", entityType: entity, id };
      expect(await refusal(api.remove(entity, id))).toMatchObject(notFound);
      const patch = entity === "customFieldDefinition" ? { label: "x" } : data;
      expect(await refusal(api.update(entity, id, patch))).toMatchObject(notFound);
    }));

  // Feature: core-data-models, Property 35: Repository error handling
  // Departure: beside the specification's four there is ConflictError, for a version that is no
  // longer current.
  test("what fails is refused with the error of its kind, which tells what failed", () =>
    holds(
      fc.record({ failure: fc.constantFrom(...failures), scene }),
      async ({ failure: { attempt, code, type, fields }, scene }) => {
        fc.pre(isTold(api, createTypeSchemas[scene.entity], spoil({}, scene.fault)));
        const refused = await refusal(attempt(api, scene));
        expect(refused).toMatchObject({ code, message: expect.stringMatching(/\w+ \w+/) });
        expect(refused.message).not.toContain(secret);
        const named = Object.keys(refused.fields ?? {}).map((path) => path.replace(/\..*/, ""));
        expect([...new Set(named)]).toEqual(fields?.(scene) ?? []);
        if (api.name === "repository") expect(refused.type).toBe(type);
      },
    ));
});
