import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { createTypeSchemas } from "../../server/model/schemas.ts";
import { type Entity, inputs } from "./arbitraries.ts";
import { refusal } from "./api.ts";
import { openApis } from "./apis.ts";
import { expectNamed } from "./expected.ts";
import { complete, isTold } from "./drafts.ts";

const { apis } = openApis();

/* What a generator meets once in many runs is tried in each. */
describe.each(apis)("limits through $name", (api) => {
  test.each<[Entity, string, unknown[], unknown[]]>([
    ["deal", "probability", [0, 1, 99, 100], [-1, 101, -(2 ** 31), 2 ** 31 - 1]],
    ["deal", "value", ["9999999999999.99", "-9999999999999.99"], ["10000000000000", "0.001"]],
    ["deal", "title", ["x".repeat(255), "👩".repeat(255)], ["x".repeat(256), "👩".repeat(256)]],
    ["deal", "closeDate", ["0001-01-01", "9999-12-31", "2024-02-29"], ["0000-01-01", "2023-02-29"]],
    ["contact", "firstName", ["x", "x".repeat(255)], ["", " ", "x".repeat(256)]],
    [
      "contact",
      "emails",
      [["l".repeat(242) + "@example.com"]],
      [["l".repeat(243) + "@example.com"]],
    ],
    ["contact", "emails", [[], Array(100).fill("a@b.c")], [Array(101).fill("a@b.c")]],
    ["contact", "phones", [["x".repeat(255)], Array(100).fill("1")], [["x".repeat(256)]]],
    ["contact", "ownerId", [null, "x".repeat(255)], ["", "x".repeat(256)]],
    ["company", "name", ["x", "x".repeat(255)], ["", "x".repeat(256)]],
    ["task", "description", ["x".repeat(10_000)], ["x".repeat(10_001), ""]],
    ["task", "status", ["open", "closed"], ["Open", "done", ""]],
    ["note", "content", ["x".repeat(100_000)], ["x".repeat(100_001), ""]],
  ])(
    "at its limits %s.%s is taken, and beyond them refused",
    async (entity, field, inside, beyond) => {
      const data = fc.sample(inputs[entity], { numRuns: 1, seed: 1 })[0] ?? {};
      const { id } = await api.create(entity, await complete(api, { entity, data }));
      for (const value of inside) {
        expect((await api.update(entity, id, { [field]: value }))[field]).toEqual(value);
        const whole = { ...(await complete(api, { entity, data })), [field]: value };
        expect((await api.create(entity, whole))[field]).toEqual(value);
      }
      const told = beyond.filter((value) =>
        isTold(api, createTypeSchemas[entity], { [field]: value }),
      );
      for (const value of told) {
        const whole = { ...(await complete(api, { entity, data })), [field]: value };
        expectNamed(await refusal(api.create(entity, whole)), [field]);
        expectNamed(await refusal(api.update(entity, id, { [field]: value })), [field]);
      }
    },
  );
});
