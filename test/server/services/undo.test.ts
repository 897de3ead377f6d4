import { randomUUID } from "node:crypto";

import { beforeAll, expect, test } from "@jest/globals";

import {
  ConflictError,
  ConstraintViolationError,
  ForbiddenError,
  NotFoundError,
  ValidationError,
} from "../../../server/errors/classes.ts";
import { createServices, type Services } from "../../../server/services/services.ts";
import { usePool } from "../repositories/usePool.ts";

const crm = usePool();
let services: Services;
beforeAll(() => {
  services = createServices(crm.pool);
});

async function renamed(...names: [string, ...string[]]) {
  const { companies } = services;
  const { id } = await companies.createCompany({ name: names[0] }, "ada");
  for (const name of names.slice(1)) await companies.updateCompany(id, { name }, "bob");
  const history = await companies.getCompanyHistory(id);
  return { id, entries: history.map((entry) => entry.id), last: history.at(-1) };
}

test("a field, an entry and a transaction are undone, in the name of who undoes", async () => {
  const { companies, undo } = services;
  const { id, entries, last } = await renamed("Acme", "Bolt", "Cog");
  expect(await undo.undoField("company", id, "name", entries[2] ?? "", "cy")).toEqual({
    transactionId: expect.stringMatching(/^\d+$/),
    restored: 0,
    changed: 1,
    deleted: 0,
    kept: [],
    keptCount: 0,
  });
  expect(await companies.getCompany(id)).toMatchObject({ name: "Bolt", updatedBy: "cy" });
  await undo.undoEntry(entries[1] ?? "", "cy");
  expect(await companies.getCompany(id)).toMatchObject({ name: "Acme" });
  const back = await undo.undoTransaction(last?.transactionId ?? "", "cy").catch((e: unknown) => e);
  expect(back).toMatchObject({
    name: "ConflictError",
    changed: { count: 1, conflicts: [{ field: "name", expected: "Cog", found: "Acme" }] },
  });
  expect(back).toBeInstanceOf(ConflictError);
});

test("later work is overwritten by administrators only", async () => {
  const { id, last } = await renamed("Acme", "Bolt");
  const admin = createServices(crm.pool, { role: "crm_admin" });
  await services.companies.updateCompany(id, { name: "Cog" }, "cy");
  const transaction = last?.transactionId ?? "";
  await expect(
    services.undo.undoTransaction(transaction, "cy", { onConflict: "FORCE" }),
  ).rejects.toBeInstanceOf(ForbiddenError);
  await admin.undo.undoTransaction(transaction, "root", { onConflict: "FORCE" });
  expect(await services.companies.getCompany(id)).toMatchObject({ name: "Acme" });
});

test("later work is left where the rest is undone", async () => {
  const { id, last } = await renamed("Acme", "Bolt");
  await services.companies.updateCompany(id, { name: "Cog" }, "cy");
  const transaction = last?.transactionId ?? "";
  const options = { onConflict: "SKIP" } as const;
  expect(await services.undo.undoTransaction(transaction, "ada", options)).toMatchObject({
    changed: 0,
    kept: [{ field: "name", expected: "Bolt", found: "Cog", changedBy: "cy" }],
    keptCount: 1,
  });
  for (const onConflict of ["skip", "MERGE", ""]) {
    await expect(
      services.undo.undoTransaction(transaction, "ada", { onConflict: onConflict as "SKIP" }),
    ).rejects.toMatchObject({ fields: { onConflict: [expect.any(String)] } });
  }
});

test("what was deleted is restored with what went with it, once", async () => {
  const { companies, deals, undo } = services;
  const { id } = await companies.createCompany({ name: "Acme" }, "ada");
  const data = { title: "Engine", companyId: id, value: "1.00", stage: "Won" };
  const deal = await deals.createDeal(data, "ada");
  await companies.deleteCompany(id, "ada");
  expect(await undo.restoreDeleted("company", id, "ada")).toMatchObject({ restored: 2 });
  expect(await deals.getDeal(deal.id)).toMatchObject({ title: "Engine", createdBy: "ada" });
  await expect(undo.restoreDeleted("company", id, "ada")).rejects.toBeInstanceOf(
    ConstraintViolationError,
  );
});

test("what leads nowhere is refused by its name", async () => {
  const { undo } = services;
  await expect(undo.undoEntry("999999999", "ada")).rejects.toBeInstanceOf(NotFoundError);
  await expect(undo.undoEntry("seven", "ada")).rejects.toBeInstanceOf(ValidationError);
  await expect(undo.restoreDeleted("company", "x", "ada")).rejects.toBeInstanceOf(ValidationError);
  await expect(undo.restoreDeleted("company", randomUUID(), "ada")).rejects.toBeInstanceOf(
    NotFoundError,
  );
});
