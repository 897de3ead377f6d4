import { randomUUID } from "node:crypto";

import { beforeAll, expect, test } from "@jest/globals";

import { ValidationError } from "../../../server/errors/classes.ts";
import {
  createRepositories,
  type Repositories,
} from "../../../server/repositories/repositories.ts";
import { runOnce } from "../../../server/repositories/run-once.ts";
import { usePool } from "./usePool.ts";

const crm = usePool();
const session = { role: "crm_member", userId: "ada" } as const;
let repositories: Repositories;
beforeAll(() => {
  repositories = createRepositories(crm.pool);
});

function createOnce(key: string, name: string, userId = "ada") {
  const options = { ...session, userId, key, request: { name } };
  return runOnce(crm.pool, options, (client) =>
    repositories.companies.create({ name }, userId, client),
  );
}

test("a repeated key changes nothing and gives the first result", async () => {
  const [key, name] = [randomUUID(), randomUUID()];
  const first = await createOnce(key, name);
  expect(first).toMatchObject({ name, createdBy: "ada" });
  expect(await createOnce(key, name)).toEqual(first);
  expect(await repositories.companies.count({ name: { equalTo: name } })).toBe(1);
  const twice = await Promise.all([1, 2].map(() => createOnce(`${key} again`, name)));
  expect(twice[0]).toEqual(twice[1]);
  expect(await repositories.companies.count({ name: { equalTo: name } })).toBe(2);
});

test("a key is its user's, and stands for one request", async () => {
  const [key, name] = [randomUUID(), randomUUID()];
  const first = await createOnce(key, name);
  const other = await createOnce(key, name, "bob");
  expect(other.id).not.toBe(first.id);
  await expect(createOnce(key, "another")).rejects.toMatchObject({
    fields: { idempotencyKey: ["was used for another request"] },
  });
  await expect(createOnce("", name)).rejects.toThrow(ValidationError);
  await expect(createOnce("x".repeat(256), name)).rejects.toThrow(ValidationError);
});

test("a failure keeps neither the change nor the key", async () => {
  const [key, name] = [randomUUID(), randomUUID()];
  const options = { ...session, key, request: { name } };
  const failed = runOnce(crm.pool, options, async (client) => {
    await repositories.companies.create({ name }, "ada", client);
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  expect(await repositories.companies.count({ name: { equalTo: name } })).toBe(0);
  expect(await createOnce(key, name)).toMatchObject({ name });
});

test("a result may be nothing, and the work has the rights of its session only", async () => {
  const options = { ...session, key: randomUUID(), request: null };
  const work = (): Promise<unknown> => Promise.resolve(undefined);
  expect(await runOnce(crm.pool, options, work)).toBeUndefined();
  expect(await runOnce(crm.pool, options, work)).toBeNull();
  const asServer = runOnce(crm.pool, { ...options, key: randomUUID() }, async (client) => {
    const { rows } = await client.query<{ role: string }>("select current_user as role");
    return rows[0]?.role;
  });
  expect(await asServer).toBe("crm_member");
});
