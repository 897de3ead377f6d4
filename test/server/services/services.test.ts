import { randomUUID } from "node:crypto";

import { beforeAll, describe, expect, test } from "@jest/globals";

import { NotFoundError, ValidationError } from "../../../server/errors/classes.ts";
import { createServices, type Services } from "../../../server/services/services.ts";
import { tapWire } from "../../helpers/wire.ts";
import { createPool } from "../../../server/postgres/pool.ts";
import { usePool } from "../repositories/usePool.ts";

const crm = usePool();
const ada = { firstName: "Ada", lastName: "Byron" };
let services: Services;
beforeAll(() => {
  services = createServices(crm.pool);
});

describe("input", () => {
  test("is refused with every fault before the database is asked", async () => {
    const wire = await tapWire(crm.database.serverUrl);
    const pool = createPool({ connectionString: wire.url });
    const { contacts } = createServices(pool);
    const faulty = { firstName: "", emails: ["x"], companyId: "7", nickname: "A" };
    await expect(contacts.createContact(faulty as never, "ada")).rejects.toMatchObject({
      fields: {
        firstName: ["must not be blank"],
        lastName: ["is required"],
        "emails.0": ['"x" is not an email address'],
        companyId: ["must be a UUID"],
        nickname: ["is not a field that can be given here"],
      },
    });
    expect(wire.messages).toEqual([]);
    await pool.end();
    wire.close();
  });

  test("of a change is checked too", async () => {
    const { id } = await services.contacts.createContact(ada, "ada");
    await expect(
      services.contacts.updateContact(id, { lastName: " " }, "ada"),
    ).rejects.toMatchObject({ fields: { lastName: ["must not be blank"] } });
  });
});

describe("contacts", () => {
  test("are created, read, changed and deleted", async () => {
    const created = await services.contacts.createContact(ada, "ada");
    expect(await services.contacts.getContact(created.id)).toEqual(created);
    await services.contacts.updateContact(created.id, { lastName: "Lovelace" }, "ada");
    expect(await services.contacts.getContacts({ lastName: { equalTo: "Lovelace" } })).toHaveLength(
      1,
    );
    await services.contacts.deleteContact(created.id, "ada");
    await expect(services.contacts.getContact(created.id)).rejects.toEqual(
      new NotFoundError("contact", created.id),
    );
  });

  test("are found by their company", async () => {
    const company = await services.companies.createCompany({ name: "Acme" }, "ada");
    const contact = await services.contacts.createContact({ ...ada, companyId: company.id }, "ada");
    expect(await services.contacts.getContactsByCompany(company.id)).toEqual([contact]);
  });

  test("that do not exist have no attachments", async () => {
    await expect(services.contacts.getContactWithAttachments(randomUUID())).rejects.toThrow(
      NotFoundError,
    );
  });
});

describe("deals with tasks", () => {
  async function deal() {
    const { id: companyId } = await services.companies.createCompany({ name: "Acme" }, "ada");
    return { title: "Engine", companyId, value: "12.50", stage: "Won" };
  }

  test("are created together", async () => {
    const tasks = [{ description: "Call" }, { description: "Write", dueDate: "2024-02-29" }];
    const created = await services.deals.createDealWithTasks(await deal(), tasks, "ada");
    expect(created).toMatchObject({ value: "12.50", currency: "USD", probability: 100 });
    const oldest = { orderBy: { createdAt: "asc" } } as const;
    const read = await services.deals.getDealWithAttachments(created.id);
    expect(read.tasks.map(({ description }) => description).sort()).toEqual(["Call", "Write"]);
    expect(await services.tasks.getTasksByEntity("deal", created.id, oldest)).toEqual(read.tasks);
    expect(await services.deals.getDealsByCompany(created.companyId)).toEqual([created]);
  });

  test("are refused with the faults of both", async () => {
    const faulty = { ...(await deal()), value: "1.234" };
    const tasks = [{ description: "Call" }, { description: "", status: "done" as never }];
    await expect(services.deals.createDealWithTasks(faulty, tasks, "ada")).rejects.toMatchObject({
      fields: {
        value: ["1.234 has more than two decimals"],
        "tasks.1.description": ["must not be blank"],
        "tasks.1.status": ['"done" is not one of open, closed'],
      },
    });
  });

  test("leave nothing behind where the database refuses one of them", async () => {
    const given = { ...(await deal()), stage: "Nowhere" };
    const created = services.deals.createDealWithTasks(given, [{ description: "Call" }], "ada");
    await expect(created).rejects.toMatchObject({ constraint: "deals_stage_exists" });
    expect(await services.deals.getDealsByCompany(given.companyId)).toEqual([]);
  });
});

describe("notes", () => {
  test("are found by what they are attached to, and go with it", async () => {
    const { id } = await services.contacts.createContact(ada, "ada");
    const note = await services.notes.createNote(
      { content: "Prefers letters.", entityType: "contact", entityId: id },
      "ada",
    );
    expect(await services.notes.getNotesByEntity("contact", id)).toEqual([note]);
    await services.contacts.deleteContact(id, "ada");
    await expect(services.notes.getNote(note.id)).rejects.toThrow(NotFoundError);
  });
});

describe("custom fields", () => {
  test("are defined, listed, changed and removed with their values", async () => {
    const size = await services.customFields.defineCustomField(
      { name: "size", label: "Size", entityType: "company", fieldType: "number" },
      "ada",
    );
    expect(await services.customFields.getCustomFields("company")).toEqual([size]);
    const { id } = await services.companies.createCompany(
      { name: "Acme", customFields: { size: 7 } },
      "ada",
    );
    await services.customFields.changeCustomField(size.id, { label: "People" }, "ada");
    await services.customFields.removeCustomField(size.id, "ada");
    expect((await services.companies.getCompany(id)).customFields).toEqual({});
    await expect(services.customFields.getCustomField(size.id)).rejects.toThrow(NotFoundError);
  });

  test("are renamed with their values, and rules are tried before they are made", async () => {
    const { customFields } = services;
    const size = await customFields.defineCustomField(
      {
        name: "tier",
        label: "Tier",
        entityType: "company",
        fieldType: "enum",
        enumValues: ["a", "b"],
        isUnique: true,
      },
      "ada",
    );
    const create = (tier: string) =>
      services.companies.createCompany({ name: "Acme", customFields: { tier } }, "ada");
    const { id } = await create("a");
    await expect(create("a")).rejects.toMatchObject({
      code: "CONSTRAINT_VIOLATION",
      constraint: "companies_custom_tier_unique",
      fields: { "customFields.tier": ["is taken"] },
    });
    expect(
      await customFields.checkCustomFieldRule("company", "tier", { enumValues: ["b"] }),
    ).toEqual([{ entityId: id, value: "a", message: "must be one of b" }]);
    await expect(
      customFields.checkCustomFieldRule("company", "tier", { pattern: "x" }),
    ).rejects.toMatchObject({ fields: { pattern: ["can be given for a text only"] } });

    const renamed = await customFields.renameCustomFieldValue("company", "tier", "a", "A", "ada");
    expect(renamed).toMatchObject({ id: size.id, enumValues: ["A", "b"], updatedBy: "ada" });
    await customFields.changeCustomField(size.id, { name: "class" }, "ada");
    const company = await services.companies.getCompany(id);
    expect(company).toMatchObject({ customFields: { class: "A" }, updatedBy: "ada" });
    await customFields.removeCustomField(size.id, "ada");
  });

  test("are refused by name where they break their definition", async () => {
    await services.customFields.defineCustomField(
      { name: "priority", label: "Priority", entityType: "deal", fieldType: "number" },
      "ada",
    );
    const { id: companyId } = await services.companies.createCompany({ name: "Acme" }, "ada");
    const customFields = { priority: "high", other: 1 };
    const created = services.deals.createDeal(
      { title: "Engine", companyId, value: 1, stage: "Won", customFields },
      "ada",
    );
    await expect(created).rejects.toThrow(ValidationError);
    await expect(created).rejects.toMatchObject({
      fields: {
        "customFields.priority": ["must be a number of at most 400 digits"],
        "customFields.other": ["is not a custom field of this entity type"],
      },
    });
  });
});

describe("the audit log", () => {
  test("is read by entity and by user, in the order of time, page by page", async () => {
    const user = `user ${randomUUID()}`;
    const { id } = await services.contacts.createContact(ada, user);
    await services.contacts.updateContact(id, { lastName: "Lovelace" }, user);
    await services.contacts.deleteContact(id, user);
    const actions = ["create", "update", "delete"];
    const byEntity = await services.audit.getAuditLogsByEntity("contact", id);
    expect(byEntity.map(({ action }) => action)).toEqual(actions);
    expect(await services.audit.getAuditLogsByUser(user)).toEqual(byEntity);
    expect(await services.audit.getAuditLogsByUser(user, { first: 1 })).toEqual([byEntity[0]]);
    const rest = await services.audit.getAuditLogsByUser(user, { first: 9, offset: 1 });
    expect(rest).toEqual(byEntity.slice(1));
  });
});

describe("search", () => {
  test("gives typed rows, the best first", async () => {
    const company = await services.companies.createCompany({ name: "Lovelace Looms" }, "ada");
    const deal = { title: "Looms", companyId: company.id, value: "12.50", stage: "Won" };
    const created = await services.deals.createDeal(deal, "ada");
    const hits = await services.search.search("looms", { first: 2 });
    expect(hits.map(({ entityType, entity }) => [entityType, entity])).toEqual(
      expect.arrayContaining([
        ["company", company],
        ["deal", created],
      ]),
    );
    const [hit] = await services.search.search("looms", { entityTypes: ["deal"] });
    if (hit?.entityType !== "deal") throw new Error("not found");
    expect([hit.entity.value, hit.extract]).toEqual(["12.50", "<mark>Looms</mark>"]);
  });

  test("refuses wrong arguments with their fields", async () => {
    await expect(
      services.search.search("x", { entityTypes: ["user" as never], first: -1 }),
    ).rejects.toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { entityTypes: [expect.any(String)], first: [expect.any(String)] },
    });
    await expect(services.search.search("a\0b")).rejects.toBeInstanceOf(ValidationError);
  });
});
