import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { note, task, user } from "./arbitraries.ts";
import { holds, openApis } from "./apis.ts";
import { byId, expectUpdated, stored, unstamped } from "./expected.ts";
import { attachedTo, carrier, createDraft } from "./drafts.ts";

const { apis } = openApis();
const attachments = fc.record({
  tasks: fc.array(task, { maxLength: 3 }),
  notes: fc.array(note, { maxLength: 3 }),
});

describe.each(apis)("tasks and notes through $name", (api) => {
  // Feature: core-data-models, Property 13: Task creation with polymorphic attachment
  test("a task attached to any entity is found by the entity's type and id", () =>
    holds(fc.record({ draft: carrier, data: task }), async ({ draft, data }) => {
      const target = attachedTo(draft.entity, await createDraft(api, draft));
      const created = await api.create("task", { ...data, ...target });
      expect(unstamped(created)).toEqual(stored("task", { ...data, ...target }));
      expect(await api.findAll("task", target)).toEqual([created]);
    }));

  // Feature: core-data-models, Property 14: Note creation with polymorphic attachment
  test("a note attached to any entity is found by the entity's type and id", () =>
    holds(fc.record({ draft: carrier, data: note }), async ({ draft, data }) => {
      const target = attachedTo(draft.entity, await createDraft(api, draft));
      const created = await api.create("note", { ...data, ...target });
      expect(unstamped(created)).toEqual(stored("note", { ...data, ...target }));
      expect(await api.findAll("note", target)).toEqual([created]);
    }));

  // Feature: core-data-models, Property 15: Polymorphic relationship integrity
  test("an entity's type and id find all that is attached to it, and nothing of another's", () =>
    holds(
      fc.record({ own: carrier, other: carrier, attachments }),
      async ({ own, other, attachments: { tasks, notes } }) => {
        const target = attachedTo(own.entity, await createDraft(api, own));
        const elsewhere = attachedTo(other.entity, await createDraft(api, other));
        const attach = (to: object) => (data: object) => ({ ...data, ...to });
        const taskRows = await api.createAll("task", tasks.map(attach(target)));
        const noteRows = await api.createAll("note", notes.map(attach(target)));
        await api.createAll("task", tasks.map(attach(elsewhere)));
        await api.createAll("note", notes.map(attach(elsewhere)));

        const foundTasks = await api.findAll("task", target);
        expect(byId(foundTasks)).toEqual(byId(taskRows));
        expect(foundTasks).toHaveLength(tasks.length);
        const foundNotes = await api.findAll("note", target);
        expect(byId(foundNotes)).toEqual(byId(noteRows));
        expect(foundNotes).toHaveLength(notes.length);
      },
    ));

  // Feature: core-data-models, Property 16: Entity retrieval includes attachments
  test("an entity can be read together with all that is attached to it", () =>
    holds(fc.record({ draft: carrier, attachments }), async ({ draft, attachments }) => {
      const row = await createDraft(api, draft);
      const attach = (data: object) => ({ ...data, ...attachedTo(draft.entity, row) });
      const taskRows = await api.createAll("task", attachments.tasks.map(attach));
      const noteRows = await api.createAll("note", attachments.notes.map(attach));

      const { tasks, notes, ...read } = await api.withAttachments(draft.entity, row.id);

      expect(read).toEqual(row);
      expect(byId(tasks)).toEqual(byId(taskRows));
      expect(tasks).toHaveLength(taskRows.length);
      expect(byId(notes)).toEqual(byId(noteRows));
      expect(notes).toHaveLength(noteRows.length);
    }));

  // Feature: core-data-models, Property 17: Task status update tracking
  // Departure: updated_at strictly increases, but giving a task the status that it has changes
  // nothing.
  test("a task whose status is updated has it, and is later than it was", () =>
    holds(
      fc.record({ data: task, status: fc.constantFrom("open", "closed"), user }),
      async ({ data, status, user }) => {
        const before = await createDraft(api, { entity: "task", data });
        const after = await api.update("task", before.id, { status }, user);
        expect(after.status).toBe(status);
        expectUpdated(before, after, { status }, user);
        expect(await api.find("task", before.id)).toEqual(after);
      },
    ));
});
