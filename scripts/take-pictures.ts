// Takes the pictures of docs/images: examples/web in Chromium, in light and dark, with the data of
// `npm run demo`. They show how it looks today; nothing compares them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { join, resolve } from "node:path";

import { signToken } from "../server/auth/token.ts";
import { runDemo } from "../server/cli/demo/run.ts";
import { withThrowawayDatabase } from "./throwaway.ts";
import { openChromium, serveWebClient } from "./web-client.ts";

const root = resolve(import.meta.dirname, "..");
const images = join(root, "docs", "images");
const secret = "the secret of the pictures, long enough";
const port = 5099;
const url = `http://localhost:${port}`;

/** The contact with the most to see: the pages of the pictures are of it. */
const pages = `{
  contacts(filter: { dealsExist: true }, first: 200) {
    nodes { id notes { totalCount } history(filter: { action: { equalTo: update } }) { totalCount } }
  }
}`;

await withThrowawayDatabase(async ({ ownerUrl, serverUrl }) => {
  await runDemo(ownerUrl, serverUrl, { size: 250, seed: 1 });
  const server = spawn(process.execPath, [join(root, "bin", "pgcrm.js"), "start"], {
    env: { PATH: process.env.PATH, DATABASE_URL: ownerUrl, PORT: String(port), JWT_SECRET: secret },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(createInterface(server.stdout), "line"); // it is ready
    await takePictures();
  } finally {
    server.kill();
    await once(server, "exit");
  }
});

async function takePictures(): Promise<void> {
  mkdirSync(images, { recursive: true });
  const token = await signToken(secret, { role: "member", user: "ann", expires: "5m" });
  const client = await serveWebClient(url);
  const browser = await openChromium();
  const page = await browser.newPage({ viewport: { width: 1100, height: 800 }, locale: "en-US" });
  await page.goto(client.url);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Company" }).click();
  await page.getByText("Company ↑").waitFor();
  await page.locator("table[aria-busy=false]").waitFor();
  await page.screenshot({ path: join(images, "web-client.png") });

  await page.setViewportSize({ width: 1100, height: 600 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(`${client.url}#/${await mostActive(token)}`);
  await page.getByText("History").waitFor();
  await page.screenshot({ path: join(images, "web-client-dark.png") });
  await browser.close();
  client.close();
}

async function mostActive(token: string): Promise<string> {
  interface Contact {
    id: string;
    notes: { totalCount: number };
    history: { totalCount: number };
  }
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query: pages }),
  });
  const { data } = (await response.json()) as { data: { contacts: { nodes: Contact[] } } };
  const weigh = ({ notes, history }: Contact) => notes.totalCount + 2 * history.totalCount;
  const [first] = data.contacts.nodes.sort((a, b) => weigh(b) - weigh(a));
  if (first === undefined) throw new Error("There are no contacts.");
  return first.id;
}
