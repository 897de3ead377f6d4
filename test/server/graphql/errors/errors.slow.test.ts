import { describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../../server/postgres/connect.ts";
import { CrmError, DatabaseError, ValidationError } from "../../../../server/errors/classes.ts";
import { fromPgError } from "../../../../server/errors/from-postgres.ts";
import { untilWaiting } from "../../../helpers/database.ts";
import { startTestServer, useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();

const absent = "00000000-0000-4000-8000-000000000000";
const createContact = `mutation ($input: CreateContactInput!) {
  createContact(input: $input) { contact { id } }
}`;
const updateCompany = `mutation ($input: UpdateCompanyInput!) {
  updateCompany(input: $input) { company { version } }
}`;
const createStage = `mutation ($input: CreatePipelineStageInput!) {
  createPipelineStage(input: $input) { pipelineStage { id } }
}`;
const contact = { firstName: "Ada", lastName: "Lovelace" };

/** The one error of an answer, without its wording. */
async function refused(...request: Parameters<typeof crm.graphql>) {
  const { errors = [] } = await crm.graphql(...request);
  expect(errors).toHaveLength(1);
  return errors[0]?.extensions;
}

describe("VALIDATION_ERROR", () => {
  test("lists every faulty field of a row by what the client sent, its values quoted", async () => {
    const input = { contact: { ...contact, lastName: " ", emails: ["ada@example.com", "ada"] } };
    expect(await refused(createContact, { input })).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: {
        lastName: [expect.any(String)],
        "emails.1": [expect.stringContaining(`"ada"`)],
      },
    });
  });

  test("names a custom field as customFields.<name>", async () => {
    const input = { contact: { ...contact, customFields: { industry: "tools" } } };
    expect(await refused(createContact, { input })).toMatchObject({
      code: "VALIDATION_ERROR",
      fields: { "customFields.industry": [expect.any(String)] },
    });
  });

  test("answers a patch that changes nothing", async () => {
    const id = await crm.create("company", { name: "Acme" });
    expect(await refused(updateCompany, { input: { id, patch: {} } })).toMatchObject({
      code: "VALIDATION_ERROR",
    });
  });
});

describe("CONSTRAINT_VIOLATION", () => {
  test("answers a link that leads nowhere", async () => {
    expect(
      await refused(createContact, { input: { contact: { ...contact, companyId: absent } } }),
    ).toMatchObject({ code: "CONSTRAINT_VIOLATION", constraint: "contacts_company_id_exists" });
  });

  test("answers what exists already", async () => {
    const pipelineStage = { name: "Won", position: 9 };
    expect(await refused(createStage, { input: { pipelineStage } })).toMatchObject({
      code: "CONSTRAINT_VIOLATION",
      constraint: "pipeline_stages_name_unique",
    });
  });

  test("answers the delete of what others still refer to", async () => {
    const companyId = await crm.create("company", { name: "Acme" });
    await crm.create("deal", { title: "Engine", companyId, value: 1, stage: "Proposal" });
    const { data } = await crm.graphql<{ pipelineStageByName: { id: string } }>(
      `{ pipelineStageByName(name: "Proposal") { id } }`,
    );
    expect(
      await refused(
        `mutation ($input: DeletePipelineStageInput!) {
          deletePipelineStage(input: $input) { pipelineStage { id } }
        }`,
        { input: { id: data?.pipelineStageByName.id } },
      ),
    ).toMatchObject({ code: "CONSTRAINT_VIOLATION", constraint: "deals_stage_exists" });
  });
});

describe("CONFLICT", () => {
  test("answers an update of a version that is not current, and says what is", async () => {
    const id = await crm.create("company", { name: "Acme" });
    const first = { input: { id, patch: { name: "Acme 2", version: 1 } } };
    expect(await crm.graphql(updateCompany, first, { user: "bob" })).toMatchObject({
      data: { updateCompany: { company: { version: 2 } } },
    });
    expect(await refused(updateCompany, first)).toEqual({
      code: "CONFLICT",
      current: { version: 2, updatedBy: "bob", updatedAt: expect.any(String) },
    });
  });

  test("answers a mutation that loses a deadlock, and leaves nothing of it", async () => {
    const companyId = await crm.create("company", { name: "Acme" });
    const id = await crm.create("contact", { ...contact, companyId });

    await withConnection(crm.database.ownerUrl, async (other) => {
      await other.query("set deadlock_timeout = '30s'"); // so that the mutation is chosen
      await other.query("begin");
      await other.query("update crm.contacts set owner_id = 'eve' where id = $1", [id]);
      // It has the company and waits for the contact.
      const pending = refused(
        "mutation ($id: ID!) { deleteCompany(input: {id: $id}) { company { id } } }",
        { id: companyId },
      );
      await untilWaiting(other);
      await other.query("update crm.companies set owner_id = 'eve' where id = $1", [companyId]);
      expect(await pending).toEqual({ code: "CONFLICT" });
      await other.query("commit");
    });

    const { data } = await crm.graphql(
      "query ($id: ID!) { contact(id: $id) { ownerId company { id ownerId } } }",
      { id },
    );
    expect(data).toEqual({
      contact: { ownerId: "eve", company: { id: companyId, ownerId: "eve" } },
    });
  });

  test.each(["40001", "40P01"])("answers SQLSTATE %s", (code) => {
    expect(fromPgError(pgError({ code }), {}).code).toBe("CONFLICT");
  });
});

describe("FORBIDDEN", () => {
  test("answers a reader who writes, and a member who changes what administrators keep", async () => {
    expect(await refused(createContact, { input: { contact } }, { role: "reader" })).toEqual({
      code: "FORBIDDEN",
    });
    expect(
      await refused(
        createStage,
        { input: { pipelineStage: { name: "New", position: 9 } } },
        { role: "member" },
      ),
    ).toEqual({ code: "FORBIDDEN" });
  });
});

describe("INTERNAL", () => {
  test("answers with an id only, under which the log has the error whole", async () => {
    await withConnection(crm.database.ownerUrl, (client) =>
      client.query(`
        create function public.fail() returns trigger language plpgsql as $$
        begin
          raise exception 'the secret message' using detail = 'the secret detail';
        end $$;
        create trigger fail before insert on crm.notes execute function public.fail();
      `),
    );
    const entityId = await crm.create("company", { name: "Acme" });
    const answer = await crm.graphql(
      `mutation ($input: CreateNoteInput!) { createNote(input: $input) { note { id } } }`,
      { input: { note: { content: "x", entityType: "company", entityId } } },
    );
    const errorId = answer.errors?.[0]?.extensions.errorId;
    expect(answer.errors).toEqual([
      {
        message: `Something went wrong here; it is logged as ${String(errorId)}`,
        locations: [expect.anything()],
        path: ["createNote"],
        extensions: { code: "INTERNAL", errorId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      },
    ]);
    const logged = crm.log.find((line) => line.errorId === errorId);
    expect(JSON.stringify(logged)).toContain("the secret message");
  });
});

describe("every SQLSTATE that a client or an operator can cause", () => {
  test.each([
    [
      "UNAVAILABLE",
      "08000 08001 08003 08004 08006 08007 08P01 57000 57P01 57P02 57P03 57P04 57P05",
    ],
    [
      "VALIDATION_ERROR",
      `22000 22002 22004 22005 22009 2200C 2200D 2200H 22010 22011 22012 22013 22014 22015 22016
       22018 22019 2201B 2201E 2201F 2201G 22022 22023 22024 22026 22027 2202E 22030 22031 22032
       22033 22034 22035 22036 22037 22038 22039 2203A 2203B 2203C 2203D 2203E 2203F 2203G 22P01
       22P03 22P04 22P06 54000 54001 54011 54023`,
    ],
    ["CONSTRAINT_VIOLATION", "23000 23001 23503 23505 23P01"],
    ["CONFLICT", "40000 40001 40002 40003 40P01"],
    ["FORBIDDEN", "42501"],
    ["TIMEOUT", "25P03 25P04 55P03 57014"],
    ["READ_ONLY", "25006"],
    ["OVERLOADED", "53000 53100 53200 53300 53400"],
    ["INTERNAL", "25000 25001 25002 25003 25004 25005 25007 25008 25P01 25P02 P0001"],
  ])("of %s has that code", (code, sqlstates) => {
    for (const sqlstate of sqlstates.split(/\s+/)) {
      expect([sqlstate, fromPgError(pgError({ code: sqlstate }), {}).code]).toEqual([
        sqlstate,
        code,
      ]);
    }
  });

  test.each(["Connection terminated unexpectedly", "connect ECONNREFUSED 127.0.0.1:5432"])(
    "is matched by what the driver says without one: %s",
    (message) => {
      const error = Object.assign(
        new Error(message),
        /^connect (\w+)/.test(message) && { code: "ECONNREFUSED" },
      );
      expect(fromPgError(error, {}).code).toBe("UNAVAILABLE");
    },
  );

  test("of writing to a database that takes no writes is READ_ONLY", async () => {
    const name = new URL(crm.database.ownerUrl).pathname.slice(1);
    const readOnly = (state: string) =>
      withConnection(crm.database.ownerUrl, (client) =>
        client.query(`alter database ${name} set default_transaction_read_only = ${state}`),
      );
    await readOnly("on");
    const server = await startTestServer(crm.database.serverUrl);
    try {
      expect(await server.graphql("{ companies { totalCount } }")).toHaveProperty("data.companies");
      const input = { company: { name: "Acme" } };
      const { errors } = await server.graphql(
        "mutation ($input: CreateCompanyInput!) { createCompany(input: $input) { clientMutationId } }",
        { input },
      );
      expect(errors?.[0]?.extensions).toEqual({ code: "READ_ONLY" });
    } finally {
      await server.close();
      await withConnection(crm.database.ownerUrl, async (client) => {
        await client.query("set default_transaction_read_only = off");
        await client.query(`alter database ${name} reset default_transaction_read_only`);
      });
    }
  });
});

describe("a document that is no request", () => {
  test.each([
    ["GRAPHQL_PARSE_FAILED", "{ contacts {"],
    ["GRAPHQL_VALIDATION_FAILED", "{ nobody { id } }"],
    ["BAD_REQUEST", "query A { currencies } query B { currencies }"],
  ])("is answered with %s", async (code, query) => {
    expect(await refused(query)).toEqual({ code });
  });
});

describe("the mapping of PostgreSQL's errors", () => {
  const constraints = {
    deals_value_range: { table: "deals", fields: ["value"], message: "%s is out of range" },
  };

  test("passes on nothing of PostgreSQL's own words, whatever the code", () => {
    const codes =
      `22001 22003 22007 22008 22021 22025 22P02 22P05 2201W 23001 23502 23503 23505 23514 23P01
      25006 26000 40001 40P01 42501 42P01 53300 54000 57014 57P01 CRM01 P0001 XX000`.split(/\s+/);
    for (const code of codes) {
      const error = fromPgError(
        pgError({ code, constraint: "some_constraint", table: "deals" }),
        constraints,
      );
      expect(error).toBeInstanceOf(CrmError);
      expect(error.message + JSON.stringify(error.extensions)).not.toContain("secret");
    }
  });

  test("tells the message of a constraint, in the client's words", () => {
    const error = fromPgError(
      pgError({ code: "23514", constraint: "deals_value_range" }),
      constraints,
    );
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.extensions).toEqual({
      code: "VALIDATION_ERROR",
      constraint: "deals_value_range",
      fields: { value: ["this is out of range"] },
    });
  });

  test("names a missing column in camel case", () => {
    expect(fromPgError(pgError({ code: "23502", column: "company_id" }), {}).extensions).toEqual({
      code: "VALIDATION_ERROR",
      fields: { companyId: ["is required"] },
    });
  });

  test.each([
    ["is of another schema", { schema: "public", detail: `{"name": ["secret"]}` }],
    ["is no JSON", { schema: "crm", detail: "secret" }],
    ["is no map of lists", { schema: "crm", detail: `{"name": "secret"}` }],
  ])("believes no detail that %s", (_, parts) => {
    expect(fromPgError(pgError({ code: "23514", ...parts }), {}).extensions).toEqual({
      code: "VALIDATION_ERROR",
      fields: {},
    });
  });

  test("takes what it does not know for internal, and keeps the original", () => {
    const original = new Error("secret");
    const error = fromPgError(original, {});
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error).toMatchObject({ code: "INTERNAL", originalError: original });
    expect(error.message).not.toContain("secret");
  });
});

/** An error as the driver makes it, full of what nobody may see. */
function pgError(parts: Record<string, string>): Error {
  return Object.assign(new Error(`the secret message with "a" and "b"`), {
    severity: "ERROR",
    detail: "Failing row contains (secret)",
    hint: "secret",
    where: "secret",
    internalQuery: "secret",
    schema: "crm",
    ...parts,
  });
}
