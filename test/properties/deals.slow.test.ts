import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { contact, deal, stages } from "./arbitraries.ts";
import { holds, openApis } from "./apis.ts";
import { byId, expectUpdated, stored, unstamped } from "./expected.ts";
import { createDraft } from "./drafts.ts";

const { apis } = openApis();

describe.each(apis)("deals through $name", (api) => {
  // Feature: core-data-models, Property 9: Deal creation persistence
  // Departure: a value is an exact decimal text with two decimals, not a binary number.
  test("a deal that is created can be read, by a new id, with every field as it was given", () =>
    holds(deal, async (data) => {
      const { id: companyId } = await api.create("company", { name: "Acme" });
      const input = { ...data, companyId };
      const created = await api.create("deal", input);
      expect(unstamped(created)).toEqual(stored("deal", input));
      expect(await api.find("deal", created.id)).toEqual(created);
    }));

  // Feature: core-data-models, Property 10: Deal-Company relationship integrity
  test("the deals of a company are the deals that were created with its id", () =>
    holds(
      fc.record({
        own: fc.array(deal, { maxLength: 5 }),
        others: fc.array(deal, { maxLength: 3 }),
      }),
      async ({ own, others }) => {
        const company = await api.create("company", { name: "A" });
        const other = await api.create("company", { name: "B" });
        const of = (companyId: string) => (data: object) => ({ ...data, companyId });
        const created = await api.createAll("deal", own.map(of(company.id)));
        await api.createAll("deal", others.map(of(other.id)));
        for (const found of [
          await api.findAll("deal", { companyId: company.id }),
          await api.ofCompany("deal", company.id),
        ]) {
          expect(byId(found)).toEqual(byId(created));
          expect(found).toHaveLength(own.length);
        }
      },
    ));

  // Feature: core-data-models, Property 11: Deal-Contact optional relationship
  test("a deal is created with or without a contact, and tells it, or that there is none", () =>
    holds(
      fc.record({
        data: deal,
        person: contact,
        link: fc.constantFrom<"given" | "null" | "absent">("given", "null", "absent"),
      }),
      async ({ data, person, link }) => {
        const { id: companyId } = await api.create("company", { name: "Acme" });
        const { id } = await api.create("contact", person);
        const links = {
          given: { contactId: id },
          null: { contactId: null },
          absent: { contactId: undefined },
        };
        const input = { ...data, companyId, ...links[link] };
        const created = await api.create("deal", input);
        expect(created.contactId).toBe(link === "given" ? id : null);
        expect(await api.find("deal", created.id)).toEqual(created);
        const found = await api.findAll("deal", { contactId: id });
        expect(found).toEqual(link === "given" ? [created] : []);
      },
    ));

  // Feature: core-data-models, Property 12: Deal stage update tracking
  // Departure: updated_at strictly increases, but moving a deal to the stage where it is changes
  // nothing.
  test("a deal that moves to another stage is there, and later than it was", () =>
    holds(fc.record({ data: deal, stage: fc.constantFrom(...stages) }), async ({ data, stage }) => {
      const before = await createDraft(api, { entity: "deal", data });
      const after = await api.update("deal", before.id, { stage });
      expect(after.stage).toBe(stage);
      expectUpdated(before, after, { stage });
      expect(await api.find("deal", before.id)).toEqual(after);
    }));
});
