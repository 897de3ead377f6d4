import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { clientOptions } from "../../../server/postgres/client.ts";
import {
  completeUrl,
  formatUrl,
  namesServer,
  parseUrl,
} from "../../../server/postgres/connection-string.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-libpq-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const passfile = () => ({ PGPASSFILE: join(folder, "none") });
const parts = (url: string | undefined, environment: Record<string, string>) =>
  parseUrl(completeUrl(url, { ...passfile(), ...environment }));

describe("PostgreSQL's own variables", () => {
  test("say by themselves where the server is", () => {
    expect(
      parts(undefined, {
        PGHOST: "db.example",
        PGPORT: "5433",
        PGDATABASE: "crm",
        PGUSER: "owner",
        PGPASSWORD: "p@ss:w/rd",
        PGSSLMODE: "require",
        PGOPTIONS: "-c search_path=",
        PGAPPNAME: "crm",
        PGCONNECT_TIMEOUT: "3",
      }),
    ).toEqual({
      host: "db.example",
      port: "5433",
      dbname: "crm",
      user: "owner",
      password: "p@ss:w/rd",
      sslmode: "require",
      options: "-c search_path=",
      application_name: "crm",
      connect_timeout: "3",
    });
  });

  test("fill in what a URL leaves out, and nothing that it says", () => {
    const environment = {
      PGHOST: "other",
      PGHOSTADDR: "192.0.2.1",
      PGPORT: "1",
      PGUSER: "other",
      PGPASSWORD: "secret",
      PGDATABASE: "other",
      PGSSLMODE: "disable",
    };
    expect(parts("postgres://owner@db.example:5433/crm?sslmode=require", environment)).toEqual({
      host: "db.example",
      port: "5433",
      dbname: "crm",
      user: "owner",
      password: "secret",
      sslmode: "require",
    });
  });

  test("count where they name a server, not where they only say who asks", () => {
    for (const name of ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"]) {
      expect(namesServer({ [name]: "x" })).toBe(true);
    }
    expect(namesServer({ PGUSER: "x", PGPASSWORD: "x", PGPORT: "1", PGSSLMODE: "require" })).toBe(
      false,
    );
  });

  test("have libpq's defaults", () => {
    const { username } = userInfo();
    expect(parts(undefined, { PGHOST: "db" })).toMatchObject({ user: username, dbname: username });
    expect(parts(undefined, { PGHOST: "db", PGUSER: "crm" })).toMatchObject({ dbname: "crm" });
  });

  test("name a folder of sockets, over which nothing is encrypted", () => {
    const url = completeUrl(undefined, {
      ...passfile(),
      PGHOST: "/var/run/postgresql",
      PGDATABASE: "crm",
      PGUSER: "crm",
      PGSSLMODE: "require",
    });
    expect(clientOptions(url)).toMatchObject({
      host: "/var/run/postgresql",
      port: 5432,
      database: "crm",
      user: "crm",
      ssl: false,
    });
  });
});

test("a URL to which nothing is added stays as it is", () => {
  const url = "postgresql://owner:secret@db.example/crm?sslmode=require";
  expect(completeUrl(url, {})).toBe(url);
  expect(completeUrl(url, { PGPORT: "5432", PGSSLMODE: "disable" })).toBe(url);
});

test("what is read from a URL makes the same URL", () => {
  for (const url of [
    "postgres://a%3Ab:p%40ss@db.example:5433/crm%20main?sslmode=verify-ca",
    "postgres://crm@[::1]:5433/crm",
  ]) {
    expect(parseUrl(formatUrl(parseUrl(url)))).toEqual(parseUrl(url));
  }
});

describe("a parameter that cannot be kept is refused", () => {
  test.each([
    ["postgres://db/crm?sslmode=on", "sslmode of DATABASE_URL"],
    ["postgres://db/crm?sslmod=require", "DATABASE_URL"],
    ["postgres://db/crm?channel_binding=require", "channel_binding of DATABASE_URL"],
    ["postgres://db/crm?target_session_attrs=read-write", "target_session_attrs of DATABASE_URL"],
    ["postgres://db/crm?require_auth=scram-sha-256", "require_auth of DATABASE_URL"],
    ["postgres://db/crm?host=a,b", "host of DATABASE_URL"],
    ["postgres://db/crm?sslmode=verify-ca&sslrootcert=system", "PGSSLROOTCERT"],
    ["postgres://db/crm?sslrootcert=/nowhere", "PGSSLROOTCERT"],
    ["postgres://db/crm?sslnegotiation=direct", "PGSSLNEGOTIATION"],
    ["postgres://db/crm?ssl_min_protocol_version=1.2", "ssl_min_protocol_version of DATABASE_URL"],
  ])("in %s", (url, source) => {
    expect(() => completeUrl(url, {})).toThrow(expect.objectContaining({ name: "WrongParameter" }));
    expect(() => completeUrl(url, {})).toThrow(source);
  });

  test("and one that asks for nothing special is not", () => {
    const url =
      "postgres://owner:x@db/crm?channel_binding=prefer&gssencmode=prefer&target_session_attrs=any" +
      "&keepalives=1&client_encoding=UTF8";
    expect(parts(url, {})).toMatchObject({ host: "db" });
  });
});

describe("the file of passwords", () => {
  const write = (text: string, mode = 0o600) => {
    const path = join(folder, "pgpass");
    writeFileSync(path, text);
    chmodSync(path, mode);
    return { PGPASSFILE: path };
  };

  test("gives the first password that suits the connection", () => {
    const environment = write(
      [
        "# host:port:database:user:password",
        "db.example:5433:crm:other:wrong",
        "db.example:*:crm:owner:s\\:ecret\\\\",
        "*:*:*:*:last",
      ].join("\n"),
    );
    const password = (url: string) => parts(url, environment).password;
    expect(password("postgres://owner@db.example:5433/crm")).toBe("s:ecret\\");
    expect(password("postgres://owner@db.example/other")).toBe("last");
    expect(password("postgres://owner:own@db.example/crm")).toBe("own");
  });

  test("counts for nothing if others may read it", () => {
    expect(
      parts("postgres://owner@db/crm", write("*:*:*:*:secret", 0o644)).password,
    ).toBeUndefined();
  });
});

test("a service of a service file stands for its parameters", () => {
  const path = join(folder, "services");
  writeFileSync(
    path,
    "# services\n[other]\nhost=elsewhere\n\n[crm]\nhost = db.example\nport=5433\ndbname=crm\nsslmode=require\n[more]\nuser=x\n",
  );
  const environment = { PGSERVICE: "crm", PGSERVICEFILE: path, PGUSER: "owner", PGPORT: "1" };
  expect(parts(undefined, environment)).toEqual({
    host: "db.example",
    port: "5433",
    dbname: "crm",
    sslmode: "require",
    user: "owner",
  });
  expect(() => parts(undefined, { ...environment, PGSERVICE: "none" })).toThrow("PGSERVICE");
});
