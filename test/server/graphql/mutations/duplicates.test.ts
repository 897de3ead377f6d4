import { expect, test } from "@jest/globals";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

const contact = (fields: object) =>
  crm.create("contact", { firstName: "Ada", lastName: "Lovelace", ...fields });

test("duplicates come with the row, the score and the reasons, of one row and inside others", async () => {
  const id = await contact({ emails: ["one@x.org"] });
  const other = await contact({ firstName: "A.", emails: ["ONE@x.org"] });
  const duplicate = {
    score: expect.any(Number),
    reasons: ["email", "domain", "name"],
    email: "one@x.org",
    contact: { id: other, firstName: "A." },
    company: null,
  };
  expect(
    await crm.graphql(
      `query ($id: ID!) {
        findDuplicates(entityType: contact, id: $id) {
          totalCount nodes { ...parts }
        }
        contact(id: $id) { duplicates(first: 1) { nodes { ...parts } } }
      }
      fragment parts on Duplicate {
        score reasons email contact { id firstName } company { id }
      }`,
      { id },
    ),
  ).toEqual({
    status: 200,
    data: {
      findDuplicates: { totalCount: 1, nodes: [duplicate] },
      contact: { duplicates: { nodes: [duplicate] } },
    },
  });
});

test("groups are paged, and hold their rows", async () => {
  for (const name of ["Blue", "Green", "Red"]) {
    for (const form of ["GmbH", "Ltd"]) {
      await crm.create("company", { name: `${name} Robotics ${form}` });
    }
  }
  interface Page {
    duplicateGroups: {
      totalCount: number;
      pageInfo: { hasNextPage: boolean; endCursor: string };
      nodes: { size: number; companies: { nodes: { name: string }[] } }[];
    };
  }
  const page = async (after?: string) => {
    const { data } = await crm.graphql<Page>(
      `query ($after: Cursor) {
        duplicateGroups(entityType: company, minScore: 0.7, first: 2, after: $after) {
          totalCount
          pageInfo { hasNextPage endCursor }
          nodes { size score reasons companies { nodes { name } } contacts { totalCount } }
        }
      }`,
      { after },
    );
    return data?.duplicateGroups;
  };
  const first = await page();
  const second = await page(first?.pageInfo.endCursor);
  expect(first).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true } });
  expect(second).toMatchObject({ pageInfo: { hasNextPage: false } });
  const groups = [...(first?.nodes ?? []), ...(second?.nodes ?? [])].map((group) => {
    expect(group).toMatchObject({ size: 2, score: 0.75, reasons: ["name"] });
    expect(group).toMatchObject({ contacts: { totalCount: 0 } });
    return group.companies.nodes.map(({ name }) => name);
  });
  expect(groups.sort()).toEqual(
    ["Blue", "Green", "Red"].map((name) => [`${name} Robotics GmbH`, `${name} Robotics Ltd`]),
  );
});

const merge = `mutation ($input: MergeContactsInput!) {
  mergeContacts(input: $input) {
    contactMerge {
      transactionId dealsMoved notesMoved
      contact {
        firstName emails version
        notes { totalCount }
        history(orderBy: TIMESTAMP_ASC) { nodes { action transactionId } }
      }
    }
  }
}`;

test("a merge answers with the contact as it is now, and the transaction to undo it by", async () => {
  const winner = await contact({ emails: ["two@x.org"] });
  const losers = [await contact({ emails: ["three@x.org"] }), await contact({})];
  for (const entityId of losers) {
    await crm.create("note", { content: "Hm", entityType: "contact", entityId });
  }
  const { data, errors } = await crm.graphql<{
    mergeContacts: {
      contactMerge: {
        transactionId: string;
        contact: { history: { nodes: { transactionId: string }[] } };
      };
    };
  }>(merge, { input: { winner, losers, fields: { firstName: "Augusta", version: 1 } } });
  expect(errors).toBeUndefined();
  const done = data?.mergeContacts.contactMerge;
  expect(done).toMatchObject({
    dealsMoved: 0,
    notesMoved: 2,
    contact: {
      firstName: "Augusta",
      emails: ["two@x.org", "three@x.org"],
      version: 2,
      notes: { totalCount: 2 },
      // That of the losers is part of it.
      history: {
        nodes: ["create", "create", "create", "update", "delete", "delete"].map((action) => ({
          action,
        })),
      },
    },
  });
  const merged = done?.contact.history.nodes.slice(3).map(({ transactionId }) => transactionId);
  expect(merged).toEqual(Array(3).fill(done?.transactionId));
  expect(
    await crm.graphql("query ($id: ID!) { contact(id: $id) { id } }", { id: losers[0] }),
  ).toMatchObject({ data: { contact: null } });
});

test("companies are merged alike", async () => {
  const winner = await crm.create("company", { name: "Quux" });
  const loser = await crm.create("company", { name: "Quux AG", address: { city: "Berlin" } });
  await contact({ companyId: loser });
  expect(
    await crm.graphql(
      `mutation ($input: MergeCompaniesInput!) {
        mergeCompanies(input: $input) {
          companyMerge {
            contactsMoved company { name address { city } contacts { totalCount } }
          }
        }
      }`,
      { input: { winner, losers: [loser] } },
    ),
  ).toMatchObject({
    data: {
      mergeCompanies: {
        companyMerge: {
          contactsMoved: 1,
          company: { name: "Quux", address: { city: "Berlin" }, contacts: { totalCount: 1 } },
        },
      },
    },
  });
});

test("what is refused says why, in the client's words", async () => {
  const winner = await contact({});
  const loser = await contact({});
  const absent = "00000000-0000-4000-8000-000000000000";
  const error = async (input: object, role: "reader" | "member" = "member") => {
    const { errors } = await crm.graphql(merge, { input }, { role });
    return errors?.[0];
  };

  expect(await error({ winner, losers: [] })).toMatchObject({
    message: "losers must name at least one",
    extensions: {
      code: "VALIDATION_ERROR",
      constraint: "contacts_losers_present",
      fields: { losers: ["must name at least one"] },
    },
  });
  expect(await error({})).toMatchObject({
    extensions: {
      code: "VALIDATION_ERROR",
      fields: { winner: ["is required"], losers: ["must name at least one"] },
    },
  });
  expect(
    await error({ winner, losers: [loser], fields: { emails: ["x"], size: 1 } }),
  ).toMatchObject({
    extensions: {
      code: "VALIDATION_ERROR",
      fields: { size: ["is not a field that can be given here"] },
    },
  });
  expect(await error({ winner, losers: [loser], fields: { emails: ["x"] } })).toMatchObject({
    extensions: {
      code: "VALIDATION_ERROR",
      fields: { "emails.0": ['"x" is not an email address'] },
    },
  });
  expect(await error({ winner, losers: [loser, absent, winner.replace(/.$/, "x")] })).toMatchObject(
    {
      extensions: { code: "VALIDATION_ERROR" },
    },
  );
  expect(await error({ winner: absent, losers: [loser] })).toMatchObject({
    message: `contact with id ${absent} not found`,
    extensions: { code: "NOT_FOUND", entityType: "contact", id: absent },
  });
  expect(await error({ winner, losers: [loser], fields: { version: 7 } })).toMatchObject({
    extensions: { code: "CONFLICT", current: { version: 1 } },
  });
  expect(await error({ winner, losers: [loser] }, "reader")).toMatchObject({
    extensions: { code: "FORBIDDEN" },
  });

  const { errors } = await crm.graphql(
    `{ findDuplicates(entityType: deal, id: "${absent}") { totalCount } }`,
  );
  expect(errors).toMatchObject([
    {
      extensions: {
        code: "VALIDATION_ERROR",
        fields: { entityType: ["must be contact or company"] },
      },
    },
  ]);
});
