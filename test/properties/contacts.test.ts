import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { change, contact, deal, note, task, user } from "./arbitraries.ts";
import { holds, openDoors } from "./doors.ts";
import { byId, expectUnlinked, expectUpdated, stored, unstamped } from "./expected.ts";
import { attachedTo, findEach } from "./given.ts";

const { doors } = openDoors();
const contacts = fc.array(contact, { maxLength: 5 });

describe.each(doors)("contacts through $name", (door) => {
  // Feature: core-data-models, Property 1: Contact creation persistence
  test("a contact that is created can be read, by a new id, with every field as it was given", () =>
    holds(contact, async (input) => {
      const created = await door.create("contact", input);
      expect(unstamped(created)).toEqual(stored("contact", input));
      expect(await door.find("contact", created.id)).toEqual(created);
    }));

  // Feature: core-data-models, Property 2: Contact-Company relationship integrity
  test("the contacts with a company's id are the contacts that were created with it", () =>
    holds(fc.record({ own: contacts, others: contacts }), async ({ own, others }) => {
      const [company, other] = await door.createAll("company", [{ name: "A" }, { name: "B" }]);
      const of = (companyId: unknown) => (data: object) => ({ ...data, companyId });
      const created = await door.createAll("contact", own.map(of(company?.id)));
      await door.createAll("contact", others.map(of(other?.id)));
      const found = await door.findAll("contact", { companyId: company?.id });
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
        const before = await door.create("contact", input);
        const after = await door.update("contact", before.id, patch, user);
        expectUpdated(before, after, patch, user);
        expect(await door.find("contact", before.id)).toEqual(after);
      },
    ));

  // Feature: core-data-models, Property 4: Contact deletion cleanup
  // Departure: deletes are hard; the journal is the trash.
  test("a deleted contact is gone with its tasks and notes, and its deals live on without it", () =>
    holds(
      fc.record({
        input: contact,
        deals: fc.array(deal, { maxLength: 2 }),
        tasks: fc.array(task, { maxLength: 2 }),
        notes: fc.array(note, { maxLength: 2 }),
      }),
      async ({ input, deals, tasks, notes }) => {
        const company = await door.create("company", { name: "Acme" });
        const links = { companyId: company.id };
        const row = await door.create("contact", { ...input, ...links });
        const dealRows = await door.createAll(
          "deal",
          deals.map((data) => ({ ...data, ...links, contactId: row.id })),
        );
        const attach = (data: object) => ({ ...data, ...attachedTo("contact", row) });
        const taskRows = await door.createAll("task", tasks.map(attach));
        const noteRows = await door.createAll("note", notes.map(attach));

        await door.remove("contact", row.id);

        expect(await door.find("contact", row.id)).toBeNull();
        expect(await findEach(door, "task", taskRows)).toEqual(tasks.map(() => null));
        expect(await findEach(door, "note", noteRows)).toEqual(notes.map(() => null));
        expect(await door.find("company", company.id)).toEqual(company);
        for (const before of dealRows) {
          expectUnlinked(before, await door.find("deal", before.id), "contactId");
        }
      },
    ));
});
