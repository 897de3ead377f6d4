import { isDeepStrictEqual } from "node:util";

import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import {
  type Carrier,
  carriers,
  change,
  type Data,
  type Entity,
  inputs,
  text,
  user,
} from "./arbitraries.ts";
import { columnName, type Api, type Entry, type Row, entityTypeOf } from "./api.ts";
import { holds, openApis } from "./apis.ts";
import { instant, unstamped } from "./expected.ts";
import {
  anything,
  complete,
  createDraft,
  type Draft,
  links,
  telling,
  uniqueName,
} from "./drafts.ts";

const { apis } = openApis();

beforeAll(async () => {
  for (const entityType of carriers) {
    await apis[0]?.createAll("customFieldDefinition", [
      { name: "motto", label: "Motto", entityType, fieldType: "text" },
      { name: "size", label: "Size", entityType, fieldType: "number" },
    ]);
  }
});

const customFields = fc.record({ motto: text(100), size: fc.integer() }, { requiredKeys: [] });

/** An input of the entity, with custom fields where it may carry them. */
function input(entity: Entity): fc.Arbitrary<Data> {
  return carriers.includes(entity as Carrier)
    ? fc
        .tuple(inputs[entity], customFields)
        .map(([data, custom]) => ({ ...data, customFields: custom }))
    : inputs[entity];
}

const draft = anything.chain(({ entity }) =>
  input(entity).map((data): Draft => ({ entity, data })),
);

/** Anything, and a patch for it; of a definition only the label changes, lest its values matter. */
const changedDraft = anything.chain(({ entity }) =>
  change(input(entity)).map(({ input: data, patch }) => ({
    entity,
    data,
    patch: entity === "customFieldDefinition" ? { label: patch.label ?? data.label } : patch,
  })),
);

/** A field's value as the audit log writes it: JSON. */
function logged(field: string, value: unknown): unknown {
  if (field === "closedAt" && typeof value === "string") return written(value);
  return field === "value" ? Number(value) : value;
}

/** An instant as PostgreSQL writes it into JSON: in UTC, without needless digits. */
function written(time: string): string {
  const microseconds = instant(time);
  const seconds = new Date(Number(microseconds / 1000n)).toISOString().slice(0, 19);
  const fraction = String(microseconds % 1_000_000n)
    .padStart(6, "0")
    .replace(/0+$/, "");
  return `${seconds}${fraction === "" ? "" : `.${fraction}`}+00:00`;
}

/** The columns of a row that somebody has set; those that follow from them are not logged. */
function columns(entity: Entity, row: Row): [field: string, value: unknown][] {
  const follows = entity === "task" || entity === "note" ? carriers.map((kind) => `${kind}Id`) : [];
  return Object.entries(unstamped(row)).filter(([field]) => !follows.includes(field));
}

/** What an update from one row to the other has in the audit log. */
function differences(entity: Entity, before: Row, after: Row): Data {
  const pairs = columns(entity, before).flatMap(([field, old]) =>
    field === "customFields"
      ? pairsOf(old as Data, after[field] as Data, (name) => `custom_fields.${name}`)
      : [[columnName(field), logged(field, old), logged(field, after[field])] as const],
  );
  return Object.fromEntries(
    pairs
      .filter(([, old, now]) => !isDeepStrictEqual(old, now))
      .map(([name, old, now]) => [name, { old, new: now }]),
  );
}

function pairsOf(before: Data, after: Data, key: (name: string) => string) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].map((name) => [key(name), before[name] ?? null, after[name] ?? null] as const);
}

/** Somebody creates, changes or deletes something. */
const deed = fc.record({
  action: fc.constantFrom<Entry["action"]>("create", "update", "update", "delete"),
  who: fc.nat({ max: 2 }),
  draft: anything,
  at: fc.nat(),
});
type Deed = typeof deed extends fc.Arbitrary<infer Value> ? Value : never;

interface Done {
  target: { entity: Entity; id: string };
  action: Entry["action"];
  userId: string;
}

/** Does what is to be done, and tells what the audit log must know of it. */
async function act(api: Api, actors: Deed[], users: string[]): Promise<Done[]> {
  const living: Done["target"][] = [];
  const done: Done[] = [];
  for (const { action, who, draft, at } of actors) {
    const userId = String(users[who]);
    const target = living[at % living.length];
    if (action === "create" || target === undefined) {
      const { id } = await api.create(draft.entity, await complete(api, draft), userId);
      const created = { entity: draft.entity, id };
      living.push(created);
      done.push({ target: created, action: "create", userId });
      continue;
    }
    if (action === "delete") {
      await api.remove(target.entity, target.id, userId);
      living.splice(at % living.length, 1);
    } else {
      const patch = { [telling[target.entity]]: uniqueName("text") };
      await api.update(target.entity, target.id, patch, userId);
    }
    done.push({ target, action, userId });
  }
  return done;
}

function expectEntries(entries: Entry[], done: Done[]): void {
  expect(entries).toMatchObject(
    done.map(({ target: { entity, id }, action, userId }) => ({
      entityType: entityTypeOf(entity),
      entityId: id,
      action,
      userId,
    })),
  );
  expect(entries).toHaveLength(done.length);
  const times = entries.map(({ timestamp }) => instant(timestamp));
  expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : Number(a > b))));
}

describe.each(apis)("the audit log through $name", (api) => {
  // Feature: core-data-models, Property 27: Audit log creation tracking
  // Departure: changes has the values of the new row.
  test("what is created has one entry: by whom, when, and with which values", () =>
    holds(fc.record({ draft, user }), async ({ draft, user }) => {
      const row = await createDraft(api, draft, user);
      const entries = await api.entriesOf(draft.entity, row.id);
      expect(entries).toEqual([
        {
          id: expect.anything(),
          entityType: entityTypeOf(draft.entity),
          entityId: row.id,
          action: "create",
          userId: user,
          timestamp: expect.any(String),
          changes: Object.fromEntries(
            columns(draft.entity, row).map(([field, value]) => [
              columnName(field),
              logged(field, value),
            ]),
          ),
        },
      ]);
      expect(instant(String(entries[0]?.timestamp))).toBe(instant(row.createdAt));
      expect(row).toMatchObject({ createdBy: user, updatedBy: user });
    }));

  // Feature: core-data-models, Property 28: Audit log update tracking
  // Departure: changes has the old and the new value of each column, and of each custom field, that
  // changed; an update that changes nothing has no entry.
  test("what is updated has an entry: by whom, when, and each change from its old to its new value", () =>
    holds(fc.record({ changed: changedDraft, user }), async ({ changed, user }) => {
      const { entity, patch } = changed;
      const before = await createDraft(api, changed);
      const after = await api.update(entity, before.id, patch, user);
      const changes = differences(entity, before, after);
      const [, ...updates] = await api.entriesOf(entity, before.id);
      if (Object.keys(changes).length === 0) {
        expect(updates).toEqual([]);
        expect(after).toEqual(before);
        return;
      }
      expect(updates).toHaveLength(1);
      expect(updates[0]).toMatchObject({
        entityType: entityTypeOf(entity),
        entityId: before.id,
        action: "update",
        userId: user,
      });
      expect(updates[0]?.changes).toEqual(changes);
      expect(instant(String(updates[0]?.timestamp))).toBe(instant(after.updatedAt));
    }));

  // Feature: core-data-models, Property 29: Audit log deletion tracking
  // Departure: changes has the whole old row, so that it can come back.
  test("what is deleted has an entry: by whom, when, and the whole row that it was", () =>
    holds(fc.record({ draft, user }), async ({ draft: { entity, data }, user }) => {
      const row = await api.create(entity, { ...data, ...(await links(api, entity)) });
      await api.remove(entity, row.id, user);
      const [, entry, ...more] = await api.entriesOf(entity, row.id);
      expect(more).toEqual([]);
      expect(entry).toMatchObject({
        entityType: entityTypeOf(entity),
        entityId: row.id,
        action: "delete",
        userId: user,
      });
      const { created_at, updated_at, ...changes } = entry?.changes as Record<string, string>;
      const { createdAt, updatedAt, ...fields } = row;
      expect(changes).toEqual(
        Object.fromEntries(
          Object.entries(fields).map(([field, value]) => [columnName(field), logged(field, value)]),
        ),
      );
      expect([created_at, updated_at].map((time) => instant(String(time)))).toEqual(
        [createdAt, updatedAt].map(instant),
      );
      expect(instant(String(entry?.timestamp))).toBeGreaterThan(instant(updatedAt));
    }));

  // Feature: core-data-models, Property 30: Audit log query completeness
  test("the audit log of an entity, and that of a user, tell all that was done, in its order", () =>
    holds(fc.array(deed, { minLength: 1, maxLength: 8 }), async (actors) => {
      const users = [uniqueName("ann"), uniqueName("bob"), uniqueName("cem")];
      const done = await act(api, actors, users);
      for (const { target } of done) {
        const entries = await api.entriesOf(target.entity, target.id);
        expectEntries(
          entries,
          done.filter((each) => each.target.id === target.id),
        );
      }
      for (const user of users) {
        expectEntries(
          await api.entriesBy(user),
          done.filter(({ userId }) => userId === user),
        );
      }
    }));
});
