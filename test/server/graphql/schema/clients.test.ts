import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { expect, test } from "@jest/globals";
import { parse, separateOperations, print } from "graphql";

import { useTestServer } from "../../../helpers/server.ts";

const crm = useTestServer();
const folder = resolve(import.meta.dirname, "../../../clients/operations");

/** What `npm run test:clients` compiles, by the operation's name. */
async function operations(): Promise<Map<string, string>> {
  const files = (await readdir(folder)).map((name) => readFile(join(folder, name), "utf8"));
  const documents = (await Promise.all(files)).map((text) => separateOperations(parse(text)));
  const all = documents.flatMap((document) => Object.entries(document));
  return new Map(all.map(([name, operation]) => [name, print(operation)]));
}

test("the operations that clients are compiled with do what they say", async () => {
  const texts = await operations();
  async function ask<Data>(name: string, variables: Record<string, unknown>) {
    const { data, errors } = await crm.graphql<Data>(texts.get(name) ?? "", variables);
    texts.delete(name);
    expect(errors).toBeUndefined();
    return data;
  }

  const companyId = await crm.create("company", { name: "Acme" });
  const deal = { title: "Anvils", companyId, value: "12.50", stage: "Proposal" };
  const created = await ask<{ createDeal: { deal: { id: string; version: number } } }>(
    "DealEditCreateMutation",
    { input: { deal } },
  );
  const { id, version } = created?.createDeal.deal ?? {};
  expect(
    await ask("DealEditUpdateMutation", { id, patch: { version, title: "Rockets" } }),
  ).toMatchObject({ updateDeal: { deal: { title: "Rockets", version: 2 } } });
  expect(await ask("CompanyPageQuery", { id: companyId })).toMatchObject({
    company: {
      name: "Acme",
      deals: { nodes: [{ title: "Rockets" }], aggregates: { sum: { value: "12.50" } } },
      history: { nodes: [{ action: "create" }] },
    },
  });
  expect(await ask("PipelineQuery", {})).toMatchObject({
    deals: { groupedAggregates: [{ keys: ["Proposal"], sum: { value: "12.50" } }] },
  });
  expect(await ask("DealEditDeleteMutation", { id })).toEqual({ deleteDeal: { deal: { id } } });
  expect([...texts.keys()]).toEqual([]);
});
