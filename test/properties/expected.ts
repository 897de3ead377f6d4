import { isDeepStrictEqual } from "node:util";

import { expect } from "@jest/globals";

import { carriers, type Data, type Entity } from "./arbitraries.ts";
import type { Refusal, Row } from "./api.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const defaults: Record<Entity, Data> = {
  company: { address: null, ownerId: null, customFields: {}, externalIds: [] },
  contact: {
    emails: [],
    phones: [],
    companyId: null,
    ownerId: null,
    customFields: {},
    externalIds: [],
  },
  deal: {
    contactId: null,
    currency: "USD",
    closeDate: null,
    lostReason: null,
    ownerId: null,
    customFields: {},
    externalIds: [],
  },
  task: { dueDate: null, assignedTo: null, status: "open", externalIds: [] },
  note: { externalIds: [] },
  customFieldDefinition: {
    enumValues: null,
    required: false,
    description: null,
    minimum: null,
    maximum: null,
    maxLength: null,
    pattern: null,
    defaultValue: null,
    isUnique: false,
  },
};

/** What a new deal's probability is if it names none. */
const probabilities: Record<string, number> = {
  Prospecting: 10,
  Qualification: 25,
  Proposal: 50,
  Negotiation: 75,
  Won: 100,
  Lost: 0,
};

/** The stages where a deal is closed. */
const closed = new Set<unknown>(["Won", "Lost"]);

/** The fields of the row that an input makes: what was given, exactly, and the rest by default. */
export function stored(entity: Entity, input: Data): Data {
  const data = { ...defaults[entity], ...input };
  if (entity === "deal") {
    data.probabilityGiven = data.probability != null;
    data.probability ??= probabilities[data.stage as string];
    data.closedAt = closed.has(data.stage) ? expect.any(String) : null;
  }
  return normalised({ ...data, ...attachment(data) });
}

/** The fields of a row after a patch. */
export function patched(row: Row, patch: Data): Data {
  const fields = { ...unstamped(row), ...normalised(patch) };
  return { ...fields, ...attachment(fields), ...("stage" in row ? following(row, patch) : {}) };
}

/** What a deal has from its stage after a patch. */
function following(row: Row, patch: Data): Data {
  const { stage = row.stage, probability } = patch;
  const moves = stage !== row.stage;
  const isGiven =
    probability !== undefined && probability !== null && (moves || probability !== row.probability);
  const stays =
    row.probabilityGiven === true && probability !== null && !(moves && closed.has(stage));
  return {
    probability: isGiven ? probability : stays ? row.probability : probabilities[stage as string],
    probabilityGiven: isGiven || stays,
    closedAt: !moves ? row.closedAt : closed.has(stage) ? expect.any(String) : null,
    ...(row.stage === "Lost" && moves && (patch.lostReason ?? row.lostReason) === row.lostReason
      ? { lostReason: null }
      : {}),
  };
}

/** Beside its type, the id of what carries a task or a note stands in a column of the type's own. */
function attachment({ entityType, entityId }: Data): Data {
  if (entityId === undefined) return {};
  return Object.fromEntries(
    carriers.map((carrier) => [`${carrier}Id`, carrier === entityType ? entityId : null]),
  );
}

/** Custom fields that are null are none; a value has two decimals and no needless digit. */
function normalised(data: Data): Data {
  const result = { ...data };
  if (result.customFields !== undefined) {
    const given = Object.entries(result.customFields as Data);
    result.customFields = Object.fromEntries(given.filter(([, value]) => value != null));
  }
  if (typeof result.value === "string") result.value = exact(result.value);
  return result;
}

function exact(decimal: string): string {
  const [, minus = "", whole = "0", fraction = ""] =
    /^(-?)0*(\d+)(?:\.(\d*))?$/.exec(decimal) ?? [];
  const digits = `${whole}.${fraction.slice(0, 2).padEnd(2, "0")}`;
  return digits === "0.00" ? digits : minus + digits;
}

/** What a row says beside its id, its version and who changed it when. */
export function unstamped(row: Row): Data {
  const { id, version, createdAt, updatedAt, createdBy, updatedBy, ...fields } = row;
  expect({ id, version, createdAt, updatedAt, createdBy, updatedBy }).toEqual({
    id: expect.stringMatching(uuid),
    version: expect.any(Number),
    createdAt: expect.any(String),
    updatedAt: expect.any(String),
    createdBy: expect.any(String),
    updatedBy: expect.any(String),
  });
  return fields;
}

/** Rows by their ids, for comparing without an order. */
export function byId(rows: Row[]): Record<string, Row> {
  return Object.fromEntries(rows.map((row) => [row.id, row]));
}

/** Microseconds since 1970 of a timestamp with its zone. */
export function instant(timestamp: string): bigint {
  const [, seconds = "", fraction = "", zone = ""] =
    /^(.{10}[T ].{8})(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)$/.exec(timestamp) ?? [];
  const milliseconds = Date.parse(`${seconds}${zone.length === 3 ? `${zone}:00` : zone}`);
  return BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, "0"));
}

/**
 * Checks a row against the row it was and the patch it got: every field of the patch is there, every
 * other is as before, and the row is later and of a higher version, or if nothing changed, the same.
 */
export function expectUpdated(before: Row, after: Row, patch: Data, user?: string): void {
  const fields = patched(before, patch);
  expect(unstamped(after)).toEqual(fields);
  if (isDeepStrictEqual(plain(fields), plain(unstamped(before)))) {
    expect(after).toEqual(before);
    return;
  }
  expect(after).toMatchObject({
    id: before.id,
    version: before.version + 1,
    createdAt: before.createdAt,
    createdBy: before.createdBy,
  });
  if (user !== undefined) expect(after.updatedBy).toBe(user);
  expect(instant(after.updatedAt)).toBeGreaterThan(instant(before.updatedAt));
}

/** The same as JSON gives it: without a prototype of its own. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** What a row becomes when the row that it links to is deleted: without the link, and later. */
export function expectUnlinked(before: Row, after: Row | null, link: string): void {
  if (after === null) throw new Error(`deleted together with its ${link}: ${before.id}`);
  expectUpdated(before, after, { [link]: null });
  expect(after.version).toBe(before.version + 1);
}

/** Checks that a refusal names these fields and no other, and says of each what is wrong. */
export function expectNamed(refused: Refusal, fields: string[]): void {
  expect(refused.code).toBe("VALIDATION_ERROR");
  const named = Object.keys(refused.fields ?? {});
  const heads = named.map((name) => fields.find((field) => isWithin(name, field)) ?? name);
  expect(new Set(heads)).toEqual(new Set(fields));
  for (const [name, messages] of Object.entries(refused.fields ?? {})) {
    expect(messages).not.toEqual([]);
    for (const message of messages) {
      expect(message).toMatch(/\S/);
      expect(refused.message).toContain(name);
    }
  }
}

/** customFields.size and emails.0 are within customFields and emails. */
function isWithin(name: string, field: string): boolean {
  return name === field || name.startsWith(`${field}.`);
}
