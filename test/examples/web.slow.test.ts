import { existsSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Browser, Locator, Page } from "playwright-core";

import {
  chromiumPath,
  openChromium,
  serveWebClient,
  type WebClient,
} from "../../scripts/web-client.ts";
import { signToken } from "../../server/auth/token.ts";
import { type Caller, jwtSecret, useTestServer } from "../helpers/server.ts";

/*
 * The reference client of examples/web, built as examples/web/README.md says, in a real browser and against
 * a real server.
 */

const hasChromium = existsSync(chromiumPath);
const without = hasChromium ? "" : " (there is no chromium here: apt-get install chromium)";
const describeWith = hasChromium ? describe : describe.skip;

const folder = resolve(import.meta.dirname, "../../examples/web");

test("the web client has fewer than 600 lines that somebody wrote", () => {
  const files = globSync(["*", "src/*"], { cwd: folder, withFileTypes: true })
    .filter((file) => file.isFile() && !/^README|^package-lock/.test(file.name))
    .map((file) => readFileSync(join(file.parentPath, file.name), "utf8"));
  expect(files.length).toBeGreaterThan(10);
  expect(files.join("").split("\n").length - 1).toBeLessThan(600);
});

const bob = { role: "member", user: "bob" } as const;

describeWith(`the web client${without}`, () => {
  const crm = useTestServer();
  let client: WebClient;
  let browser: Browser;
  let company: string;

  beforeAll(async () => {
    company = await crm.create("company", { name: "Acme" });
    const people = Array.from({ length: 44 }, (_, i) => ({
      firstName: "Person",
      lastName: String(i + 1).padStart(2, "0"),
    }));
    await ask(
      `mutation ($contacts: [ContactCreate!]!) {
        createContacts(input: { contacts: $contacts }) { contacts { id } }
      }`,
      { contacts: people },
    );
    await crm.create("contact", { firstName: "Ada", lastName: "Byron", companyId: company });
    client = await serveWebClient(crm.url);
    browser = await openChromium();
  }, 300_000); // npm may have to install its packages

  afterAll(async () => {
    await browser.close();
    client.close();
  });

  test("lists, searches, filters, sorts and pages", () =>
    withPage("#/", async (page) => {
      const names = () => page.locator("tbody tr td:first-child").allInnerTexts();
      const button = (name: string) => page.getByRole("button", { name });
      const header = page.getByRole("columnheader", { name: "Name" });
      const people = (first: number, last: number) =>
        Array.from(
          { length: last - first + 1 },
          (_, i) => `Person ${String(first + i).padStart(2, "0")}`,
        );

      await page.getByText("45 found").waitFor();
      expect((await names())[0]).toBe("Ada Byron"); // the newest

      await page.getByLabel("Search contacts").fill("byro");
      await page.getByText("1 found").waitFor();
      await eventually(names, ["Ada Byron"]);
      await page.getByLabel("Search contacts").fill("");
      await page.getByText("45 found").waitFor();

      await page.getByLabel("Filter by company").selectOption("Without a company");
      await page.getByText("44 found").waitFor();

      await button("Name").press("Enter");
      await eventually(names, people(1, 20));
      expect(await header.getAttribute("aria-sort")).toBe("ascending");
      expect(await button("Previous").isDisabled()).toBe(true);
      await button("Next").click();
      await eventually(names, people(21, 40));
      await button("Next").click();
      await eventually(names, people(41, 44));
      expect(await button("Next").isDisabled()).toBe(true);
      await button("Previous").click();
      await eventually(names, people(21, 40));
      await button("Next").click();
      await eventually(names, people(41, 44));
      await button("Previous").click();
      await eventually(names, people(21, 40));
      await button("Previous").click();
      await eventually(names, people(1, 20));
      await eventually(() => button("Previous").isDisabled(), true);

      await button("Name").click();
      await eventually(names, people(25, 44).reverse());
      expect(await header.getAttribute("aria-sort")).toBe("descending");
      await button("Name").click();
      await eventually(() => header.getAttribute("aria-sort"), "none");
      expect(page.url()).toContain("company=without");
    }));

  test("shows each fault under its field, and creates the contact once they are corrected", () =>
    withPage("#/new/edit", async (page) => {
      const [first, last, emails] = fields(page, "First name", "Last name", "Emails");
      await last.fill("Hopper");
      await emails.fill("grace@navy.example, x, y");
      await emails.press("Enter");
      await page.getByRole("alert").waitFor();
      await eventually(() => described(first), "must not be blank");
      expect(await described(emails)).toBe(
        '"x" is not an email address; "y" is not an email address',
      );
      expect(await described(last)).toBe("");
      expect(await page.locator("[aria-invalid]").count()).toBe(2);
      expect(await page.locator(":focus").getAttribute("id")).toBe("firstName");

      await first.fill("Grace");
      await emails.fill("grace@navy.example");
      await page.getByLabel("Company").selectOption("Acme");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("heading", { name: "Grace Hopper" }).waitFor();
      await page.getByText("Acme (").waitFor();
    }));

  test("shows whose value differs in a conflict, and keeps the one that is chosen", async () => {
    const id = await crm.create("contact", { firstName: "Alan", lastName: "Turing" });
    await withPage(`#/${id}/edit`, async (page) => {
      const [first, last, phones] = fields(page, "First name", "Last name", "Phones");
      await first.fill("A.");
      await last.fill("T.");
      await page.getByLabel("Company").selectOption("Acme");
      await change(id, { firstName: "Alan M.", lastName: "Mathison", phones: ["+1 555 0100"] });
      await page.getByRole("button", { name: "Save" }).click();

      await page.getByRole("alert").waitFor();
      await eventually(() => described(first), "bob: Alan M.");
      expect(await described(last)).toBe("bob: Mathison");
      expect(await phones.inputValue()).toBe("+1 555 0100"); // nobody disputes it
      expect(await page.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
      await page.getByRole("button", { name: "Keep mine" }).first().click();
      await page.getByRole("button", { name: "Take theirs" }).click();
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("heading", { name: "A. Mathison" }).waitFor();
    });
    const { contact } = await ask<{ contact: unknown }>(
      "query ($id: ID!) { contact(id: $id) { firstName lastName phones companyId version } }",
      { id },
    );
    expect(contact).toEqual({
      firstName: "A.",
      lastName: "Mathison",
      phones: ["+1 555 0100"],
      companyId: company,
      version: 3,
    });
  });

  test("shows a contact with what belongs to it and its history, and undoes a change", async () => {
    const id = await crm.create("contact", {
      firstName: "Edsger",
      lastName: "D.",
      companyId: company,
    });
    const deal = { title: "Paths", value: "1250.5", currency: "EUR", stage: "Proposal" };
    await crm.create("deal", { ...deal, companyId: company, contactId: id });
    await crm.create(
      "note",
      { content: "Prefers letters.", entityType: "contact", entityId: id },
      bob,
    );
    await change(id, { lastName: "Dijkstr" });
    await change(id, { phones: ["+31 40 247 9111"] });
    await change(id, { lastName: "Dijkstra" });

    await withPage(`#/${id}`, async (page) => {
      for (const text of ["Acme (", "Paths", "€1,250.50 · Proposal", "Prefers letters."]) {
        await page.getByText(text).waitFor();
      }
      const entries = page.getByRole("listitem");
      const texts = async () => (await entries.allInnerTexts()).map((text) => text.split("\n"));
      const undo = (at: number) => entries.nth(at).getByRole("button", { name: "Undo" }).click();
      const today = expect.stringMatching(/^bob updated .*\d{4}$/);
      await eventually(
        async () => (await texts()).slice(0, 3),
        [
          [today, "Undo", "last name", "Dijkstr → Dijkstra"],
          [today, "Undo", "phones", "— → +31 40 247 9111"],
          [today, "Undo", "last name", "D. → Dijkstr"],
        ],
      );

      await undo(2); // it was overwritten since
      await eventually(
        () => page.getByRole("alert").innerText(),
        "This was changed later, so it was not undone: lastName by bob",
      );
      await undo(0);
      await page.getByRole("heading", { name: "Edsger Dijkstr", exact: true }).waitFor();
      await eventually(() => entries.count(), 5);
      expect((await texts())[0]).toEqual([
        expect.stringMatching(/^ann updated /),
        "Undo",
        "last name",
        "Dijkstra → Dijkstr",
      ]);
      expect(await page.getByRole("alert").count()).toBe(0);
    });
  });

  test("asks for another token when the server refuses one", () =>
    withPage("#/", async (page) => {
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Token").fill("none");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("The server refused this token.").waitFor();
      await page.getByLabel("Token").fill(await tokenOf("ann"));
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("found").waitFor();
    }));

  test("is light or dark, as the reader's system is", () =>
    withPage("#/", async (page) => {
      await page.getByText("found").waitFor();
      const seen: unknown[] = [];
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        // The expression runs in the page.
        const [background = 0, text = 0] = await page.evaluate<number[]>(`
          ["backgroundColor", "color"].map((name) =>
            getComputedStyle(document.documentElement)[name].match(/\\d+/g).reduce((a, b) => a + +b, 0))
        `);
        seen.push({
          backgroundIsLighter: background > text,
          contrast: Math.abs(background - text) > 400,
        });
      }
      expect(seen).toEqual([
        { backgroundIsLighter: true, contrast: true },
        { backgroundIsLighter: false, contrast: true },
      ]);
    }));

  /** Opens an address as the member ann, and fails if the page throws an error. */
  async function withPage(address: string, work: (page: Page) => Promise<void>): Promise<void> {
    const page = await browser.newPage({ locale: "en-US" });
    const errors: Error[] = [];
    page.on("pageerror", (error) => errors.push(error));
    page.setDefaultTimeout(20_000);
    try {
      await page.goto(client.url + address);
      await page.getByLabel("Token").fill(await tokenOf("ann"));
      await page.getByRole("button", { name: "Sign in" }).click();
      await work(page);
      expect(errors).toEqual([]);
    } finally {
      await page.close();
    }
  }

  async function ask<Data>(query: string, variables: object, caller?: Caller): Promise<Data> {
    const { data, errors } = await crm.graphql<Data>(query, { ...variables }, caller);
    expect(errors).toBeUndefined();
    return data as Data;
  }

  const change = (id: string, patch: object) =>
    ask(
      `mutation ($id: ID!, $patch: ContactPatch!) {
        updateContact(input: { id: $id, patch: $patch }) { contact { id } }
      }`,
      { id, patch },
      bob,
    );
});

const tokenOf = (user: string) => signToken(jwtSecret, { role: "member", user, expires: "5m" });

/** The inputs with these labels. */
function fields<Labels extends string[]>(page: Page, ...labels: Labels) {
  return labels.map((label) => page.getByLabel(label)) as { [At in keyof Labels]: Locator };
}

/** The text that describes an input to a reader of the screen. */
async function described(input: Locator): Promise<string> {
  const id = (await input.getAttribute("aria-describedby")) ?? "";
  return input.page().locator(`[id="${id}"]`).innerText();
}

/** Reads until the value is the expected one; fails after 20 seconds. */
async function eventually(read: () => Promise<unknown>, expected: unknown): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const value = await read();
    try {
      expect(value).toEqual(expected);
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}
