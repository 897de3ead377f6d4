import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { withConnection } from "../../../server/postgres/connect.ts";
import { openEmbedded } from "../../../server/embedded/embedded.ts";

let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "pgcrm-embedded-"));
  chmodSync(scratch, 0o755);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const open = () =>
  openEmbedded({
    folder: join(scratch, "postgres"),
    binaries: process.env.PGCRM_TEST_POSTGRES,
    settings: { fsync: "off" },
  });

describe("the embedded database", () => {
  test("finds its data, its password and its port again after a stop", async () => {
    const first = await open();
    const url = first.url("postgres");
    await withConnection(url, (client) => client.query("create table kept as select 42 as answer"));
    await first.close();
    await expect(withConnection(url, () => Promise.resolve())).rejects.toMatchObject({
      name: "Problem",
    });

    const second = await open();
    expect(second.url("postgres")).toBe(url);
    const { rows } = await withConnection(url, (client) => client.query("table kept"));
    expect(rows).toEqual([{ answer: 42 }]);
    await second.close();
  });

  test("keeps its password from other users of the machine", () => {
    expect(statSync(join(scratch, "postgres")).mode & 0o077).toBe(0);
    expect(statSync(join(scratch, "postgres", "password")).mode & 0o077).toBe(0);
  });

  test("listens on this machine only, speaks UTF-8 and keeps time in UTC", async () => {
    const database = await open();
    const { rows } = await withConnection(database.url("postgres"), (client) =>
      client.query(
        `select current_setting('listen_addresses') as addresses,
                current_setting('server_encoding') as encoding,
                current_setting('timezone') as timezone`,
      ),
    );
    expect(rows).toEqual([{ addresses: "127.0.0.1", encoding: "UTF8", timezone: "UTC" }]);
    await database.close();
  });

  test("runs until the last who opened it closes it", async () => {
    const [first, second] = [await open(), await open()];
    await first.close();
    const { rows } = await withConnection(second.url("postgres"), (client) =>
      client.query("select 1 as one"),
    );
    expect(rows).toEqual([{ one: 1 }]);
    await second.close();
    expect(() => postmasterPid()).toThrow("ENOENT");
  });

  test("is opened once by many at the same time", async () => {
    const all = await Promise.all([1, 2, 3].map(open));
    expect(new Set(all.map((database) => database.url("postgres"))).size).toBe(1);
    await Promise.all(all.map((database) => database.close()));
    expect(() => postmasterPid()).toThrow("ENOENT");
  });

  test("has one server at a time, and tells the next where that is", async () => {
    const [first, second] = [await open(), await open()];
    await first.claim("http://localhost:5000/");
    await expect(second.claim("http://localhost:5001/")).rejects.toMatchObject({
      name: "Problem",
      message: expect.stringContaining("http://localhost:5000/"),
    });
    expect(await second.servedAt()).toBe("http://localhost:5000/");
    await first.close();
    await second.claim("http://localhost:5001/");
    await second.close();
  });

  test("tells when it goes away, and starts again after a crash", async () => {
    const crashed = await open();
    const lost = new Promise<void>((resolve) => crashed.onLost(resolve));
    process.kill(postmasterPid(), "SIGKILL");
    await lost;
    await crashed.close();

    const database = await open();
    const { rows } = await withConnection(database.url("postgres"), (client) =>
      client.query("table kept"),
    );
    expect(rows).toEqual([{ answer: 42 }]);
    await database.close();
  });
});

test("what a killed database still works on ends before it starts again", async () => {
  const crashed = await open();
  const lost = new Promise<void>((resolve) => crashed.onLost(resolve));
  let hasEnded = false;
  const busy = withConnection(crashed.url("postgres"), (client) =>
    client.query("select count(*) from generate_series(1, 2000000000)"),
  ).finally(() => (hasEnded = true));
  busy.catch(() => undefined);
  await withConnection(crashed.url("postgres"), async (client) => {
    while ((await client.query(isBusy)).rowCount === 0) continue;
  });
  process.kill(postmasterPid(), "SIGKILL");
  await lost;
  await crashed.close();
  expect(hasEnded).toBe(false);

  const database = await open();
  expect(hasEnded).toBe(true);
  await database.close();
});

const isBusy = "select from pg_stat_activity where state = 'active' and query like 'select count%'";

function postmasterPid(): number {
  const path = join(scratch, "postgres", "data", "postmaster.pid");
  return Number(readFileSync(path, "utf8").split("\n")[0]);
}
