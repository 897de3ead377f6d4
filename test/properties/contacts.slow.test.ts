import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { change, contact, deal, note, task, user } from "./arbitraries.ts";
import { holds, openApis } from "./apis.ts";
import { byId, expectUnlinked, expectUpdated, stored, unstamped } from "./expected.ts";
import { attachedTo, findEach } from "./drafts.ts";

const { apis } = openApis();
const contacts = fc.array(contact, { maxLength: 5 });

describe.each(apis)("contacts through $name", (api) => {
  // Feature: core-data-models, Property 1: Contact creation persistence
  test("a contact that is created can be read, by a new id, with every field as it was given", () =>
    holds(contact, async (input) => {
      const created = await api.create("contact", input);
      expect(unstamped(created)).toEqual(stored("contact", input));
      expect(await api.find("contact", created.id)).toEqual(created);
    }));

  // Feature: core-data-models, Property 2: Contact-Company relationship integrity
  test("the contacts with a company's id are the contacts that were created with it", () =>
    holds(fc.record({ own: contacts, others: contacts }), async ({ own, others }) => {
      const [company, other] = await api.createAll("company", [{ name: "A" }, { name: "B" }]);
      const of = (companyId: unknown) => (data: object) => ({ ...data, companyId });
      const created = await api.createAll("contact", own.map(of(company?.id)));
      await api.createAll("contact", others.map(of(other?.id)));
      const found = await api.findAll("contact", { companyId: company?.id });
      expect(byId(found)).toEqual(byId(created));
      expect(found).toHaveLength(own.length);
    }));

  // Feature: core-data-models, Property 3: Contact update timestamp tracking
  // Departure: updated_at is a text with microseconds and strictly increases, but an update that
  // changes nothing changes nothing: neither updated_at nor the version.
  test("an updated contact is later than it was, and the same in all that was not updated", () =>
    holds(
      fc.record({ draft: change(contact), user }),
      async ({ draft: { input, patch }, user }) => {
        const before = await api.create("contact", input);
        const after = await api.update("contact", before.id, patch, user);
        expectUpdated(before, after, patch, user);
        expect(await api.find("contact", before.id)).toEqual(after);
      },
    ));

  // Feature: core-data-models, Property 4: Contact deletion cleanup
  // Departure: deletes are hard; the audit log is the trash.
  test("a deleted contact is gone with its tasks and notes, and its deals live on without it", () =>
    holds(
      fc.record({
        input: contact,
        deals: fc.array(deal, { maxLength: 2 }),
        tasks: fc.array(task, { maxLength: 2 }),
        notes: fc.array(note, { maxLength: 2 }),
      }),
      async ({ input, deals, tasks, notes }) => {
        const company = await api.create("company", { name: "Acme" });
        const links = { companyId: company.id };
        const row = await api.create("contact", { ...input, ...links });
        const dealRows = await api.createAll(
          "deal",
          deals.map((data) => ({ ...data, ...links, contactId: row.id })),
        );
        const attach = (data: object) => ({ ...data, ...attachedTo("contact", row) });
        const taskRows = await api.createAll("task", tasks.map(attach));
        const noteRows = await api.createAll("note", notes.map(attach));

        await api.remove("contact", row.id);

        expect(await api.find("contact", row.id)).toBeNull();
        expect(await findEach(api, "task", taskRows)).toEqual(tasks.map(() => null));
        expect(await findEach(api, "note", noteRows)).toEqual(notes.map(() => null));
        expect(await api.find("company", company.id)).toEqual(company);
        for (const before of dealRows) {
          expectUnlinked(before, await api.find("deal", before.id), "contactId");
        }
      },
    ));
});
