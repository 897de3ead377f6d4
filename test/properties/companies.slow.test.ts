import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { change, company, contact, deal, task, user } from "./arbitraries.ts";
import { holds, openApis } from "./apis.ts";
import { byId, expectUnlinked, expectUpdated, stored, unstamped } from "./expected.ts";
import { attachedTo, findEach } from "./drafts.ts";

const { apis } = openApis();

describe.each(apis)("companies through $name", (api) => {
  // Feature: core-data-models, Property 5: Company creation persistence
  test("a company that is created can be read, by a new id, with every field as it was given", () =>
    holds(company, async (input) => {
      const created = await api.create("company", input);
      expect(unstamped(created)).toEqual(stored("company", input));
      expect(await api.find("company", created.id)).toEqual(created);
    }));

  // Feature: core-data-models, Property 6: Company multi-contact relationships
  test("a company that contacts move to has all of them, and the company they leave has none", () =>
    holds(
      fc.array(fc.record({ data: contact, employed: fc.boolean() }), { maxLength: 6 }),
      async (people) => {
        const old = await api.create("company", { name: "Old" });
        const company = await api.create("company", { name: "New" });
        const created = await api.createAll(
          "contact",
          people.map(({ data, employed }) => ({ ...data, companyId: employed ? old.id : null })),
        );
        const moved = await Promise.all(
          created.map(({ id }) => api.update("contact", id, { companyId: company.id })),
        );
        const listed = await api.ofCompany("contact", company.id);
        expect(byId(listed)).toEqual(byId(moved));
        expect(listed).toHaveLength(people.length);
        expect(await api.ofCompany("contact", old.id)).toEqual([]);
      },
    ));

  // Feature: core-data-models, Property 7: Company update timestamp tracking
  // Departure: updated_at is a text with microseconds and strictly increases, but an update that
  // changes nothing changes nothing: neither updated_at nor the version.
  test("an updated company is later than it was, and the same in all that was not updated", () =>
    holds(
      fc.record({ draft: change(company), user }),
      async ({ draft: { input, patch }, user }) => {
        const before = await api.create("company", input);
        const after = await api.update("company", before.id, patch, user);
        expectUpdated(before, after, patch, user);
        expect(await api.find("company", before.id)).toEqual(after);
      },
    ));

  // Feature: core-data-models, Property 8: Company cascade deletion
  // Departure: deletes are hard; the audit log is the trash.
  test("a deleted company takes its deals along, and its contacts live on without it", () =>
    holds(
      fc.record({
        input: company,
        contacts: fc.array(contact, { maxLength: 3 }),
        deals: fc.array(deal, { maxLength: 3 }),
        todo: task,
      }),
      async ({ input, contacts, deals, todo }) => {
        const row = await api.create("company", input);
        const other = await api.create("company", { name: "Other" });
        const of = (companyId: string) => (data: object) => ({ ...data, companyId });
        const contactRows = await api.createAll("contact", contacts.map(of(row.id)));
        const dealRows = await api.createAll("deal", deals.map(of(row.id)));
        const kept = await api.createAll("deal", deals.map(of(other.id)));
        const taskRows = await api.createAll(
          "task",
          dealRows.map((dealRow) => ({ ...todo, ...attachedTo("deal", dealRow) })),
        );

        await api.remove("company", row.id);

        expect(await api.find("company", row.id)).toBeNull();
        expect(await findEach(api, "deal", dealRows)).toEqual(deals.map(() => null));
        expect(await findEach(api, "task", taskRows)).toEqual(deals.map(() => null));
        expect(await findEach(api, "deal", kept)).toEqual(kept);
        for (const before of contactRows) {
          expectUnlinked(before, await api.find("contact", before.id), "companyId");
        }
      },
    ));
});
