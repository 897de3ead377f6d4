import { describe, expect, test } from "@jest/globals";

import {
  changeUrl,
  databaseName,
  shownUrl,
  urlPassword,
} from "../../../server/postgres/database-url.ts";

const tcp = "postgres://crm:p%40ss@db.example:5433/crm%20main?sslmode=require";
const socket = "postgres:///crm?host=/var/run/postgresql&user=crm&password=secret";

describe("a connection URL", () => {
  test("tells its database and password", () => {
    expect(databaseName(tcp)).toBe("crm main");
    expect(urlPassword(tcp)).toBe("p@ss");
    expect(urlPassword(socket)).toBe("secret");
    expect(urlPassword("postgres://crm@db.example/crm")).toBeUndefined();
  });

  test("keeps all parts that are not changed", () => {
    expect(changeUrl(tcp, { database: "other" })).toBe(
      "postgres://crm:p%40ss@db.example:5433/other?sslmode=require",
    );
    expect(changeUrl(tcp, { user: "crm_server", password: "a/b" })).toBe(
      "postgres://crm_server:a%2Fb@db.example:5433/crm%20main?sslmode=require",
    );
  });

  test("carries user and password as parameters where it names no host", () => {
    const { searchParams, pathname } = new URL(
      changeUrl(socket, { user: "crm_server", password: null }),
    );
    expect(Object.fromEntries(searchParams)).toEqual({
      host: "/var/run/postgresql",
      user: "crm_server",
    });
    expect(pathname).toBe("/crm");
  });

  test("is shown without its password and parameters", () => {
    expect(shownUrl(tcp)).toBe("postgres://crm@db.example:5433/crm%20main");
    expect(shownUrl(socket)).toBe("postgres:///crm");
  });
});
