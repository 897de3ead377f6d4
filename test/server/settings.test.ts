import { describe, expect, test } from "@jest/globals";

import { readConfig } from "../../server/settings.ts";
import { jwtSecret, tokenRules } from "../../server/auth/jwt-secret.ts";

const secret = "0123456789abcdef0123456789abcdef";

describe("the settings", () => {
  test("have defaults that serve a developer", () => {
    expect(readConfig({})).toMatchObject({
      production: false,
      port: 5000,
      host: "127.0.0.1",
      databaseUrl: undefined,
      poolSize: 10,
      logLevel: "warn",
    });
  });

  test("take an empty variable for an absent one", () => {
    expect(readConfig({ PORT: "", DATABASE_URL: "", JWT_SECRET: "" })).toEqual(readConfig({}));
  });

  test("are taken from the environment", () => {
    const url = "postgres://crm:secret@db.example:5433/crm";
    expect(
      readConfig({ NODE_ENV: "production", PORT: "80", DATABASE_URL: url, JWT_SECRET: secret }),
    ).toMatchObject({ production: true, port: 80, databaseUrl: url, logLevel: "info" });
  });

  test.each([
    ["PORT", { PORT: "http" }],
    ["PORT", { PORT: "0" }],
    ["PORT", { PORT: "65536" }],
    ["PORT", { PORT: "5e3" }],
    ["DATABASE_POOL_SIZE", { DATABASE_POOL_SIZE: "0" }],
    ["DATABASE_URL", { DATABASE_URL: "mysql://root:hunter2@db/crm" }],
    ["DATABASE_URL", { DATABASE_URL: "postgres://root:hunter2@db" }],
    ["SERVER_DATABASE_URL", { SERVER_DATABASE_URL: "postgres://crm_server:hunter2@db" }],
    ["MIGRATE_ON_START", { MIGRATE_ON_START: "never" }],
    [
      "MIGRATE_ON_START",
      { MIGRATE_ON_START: "1", SERVER_DATABASE_URL: "postgres://crm_server:hunter2@db/crm" },
    ],
    ["sslmode of DATABASE_URL", { DATABASE_URL: "postgres://a:hunter2@db/crm?sslmode=always" }],
    ["DATABASE_URL", { DATABASE_URL: "postgres://a:hunter2@db/crm?sslmod=require" }],
    ["host of DATABASE_URL", { DATABASE_URL: "postgres://a:hunter2@db,db2/crm" }],
    ["PGSSLMODE", { PGHOST: "db", PGSSLMODE: "hunter2" }],
    ["PGPORT", { PGHOST: "db", PGPORT: "hunter2" }],
    ["PGCHANNELBINDING", { PGHOST: "db", PGCHANNELBINDING: "require" }],
    ["PGSSLROOTCERT, or sslrootcert of DATABASE_URL,", { PGHOST: "db", PGSSLROOTCERT: "/hunter2" }],
    ["PGSSLMODE, or sslmode of DATABASE_URL,", { PGHOST: "db", PGSSLMODE: "verify-full" }],
    ["DATABSE_URL", { DATABSE_URL: "postgres://a:hunter2@db/crm" }],
    ["JWT_SECRET", { JWT_SECRET: "hunter2" }],
    ["JWT_PREVIOUS_SECRET", { JWT_SECRET: secret, JWT_PREVIOUS_SECRET: "hunter2" }],
    ["JWT_PREVIOUS_SECRET", { JWT_PREVIOUS_SECRET: secret }],
    ["JWKS_URL", { JWKS_URL: "http://keys.example/hunter2" }],
    ["JWKS_URL", { JWKS_URL: "hunter2" }],
    ["JWKS_FILE", { JWKS_FILE: "/nowhere/hunter2" }],
    ["JWKS_FILE", { JWKS_FILE: import.meta.filename }],
    [
      "JWT_SECRET, JWKS_URL and JWKS_FILE",
      { JWT_SECRET: secret, JWKS_URL: "https://keys.example" },
    ],
    ["METRICS_TOKEN", { METRICS_TOKEN: "hunter2" }],
    ["SHUTDOWN_GRACE_SECONDS", { SHUTDOWN_GRACE_SECONDS: "-1" }],
    ["DATABASE_PREPARED_STATEMENTS", { DATABASE_PREPARED_STATEMENTS: "maybe" }],
    ["LOG_LEVEL", { LOG_LEVEL: "loud" }],
    ["NODE_ENV", { NODE_ENV: "prod" }],
    ["MAX_ROWS", { MAX_ROWS: "0" }],
    ["MAX_PAGE_SIZE", { MAX_PAGE_SIZE: "-1" }],
    ["STATEMENT_TIMEOUT", { STATEMENT_TIMEOUT: "20s" }],
    ["RATE_LIMIT_USER", { RATE_LIMIT_USER: "many" }],
    ["GRAPHIQL", { GRAPHIQL: "yes" }],
    ["GRAPHIQL", { GRAPHIQL: "1", PERSISTED_ONLY: "1", PERSISTED_OPERATIONS: "." }],
    ["PERSISTED_OPERATIONS", { PERSISTED_OPERATIONS: "/nowhere/hunter2" }],
    ["PERSISTED_OPERATIONS", { PERSISTED_OPERATIONS: import.meta.filename }],
    ["PERSISTED_ONLY", { PERSISTED_ONLY: "1" }],
    ["PERSISTED_ONLY", { PERSISTED_ONLY: "sometimes" }],
    ["MAX_SOCKETS_USER", { MAX_SOCKETS_USER: "0" }],
    ["MAX_BULK_BODY_BYTES", { MAX_BULK_BODY_BYTES: "10MB" }],
    ["ALLOWED_ORIGINS", { ALLOWED_ORIGINS: "https://crm.example, *" }],
    ["ALLOWED_ORIGINS", { ALLOWED_ORIGINS: "https://crm.example/" }],
  ])("refuse a wrong %s with one line that names it: %j", (variable, environment) => {
    const message = messageOf(() => readConfig(environment));
    expect(message).toMatch(new RegExp(`^${variable} .*\\.$`));
    expect(message).not.toContain("\n");
    expect(message).not.toContain("hunter2");
  });

  test("are told all at once where several are wrong, each in a line of its own", () => {
    const environment = {
      PORT: "http",
      JWT_SECRET: "hunter2",
      MAX_ROWS: "0",
      SERVER_DATABASE_URL: "postgres://crm_server@db",
      PERSISTED_ONLY: "1",
      PGHOST: "db",
      PGSSLMODE: "always",
      LOG_LEVLE: "info",
    };
    const lines = messageOf(() => readConfig(environment)).split("\n");
    expect(lines.map((line) => line.split(" ")[0]).toSorted()).toEqual(
      ["PORT", "JWT_SECRET", "MAX_ROWS", "SERVER_DATABASE_URL", "PERSISTED_ONLY", "LOG_LEVLE"]
        .concat("PGSSLMODE")
        .toSorted(),
    );
  });

  test.each([
    ["DATABSE_URL", "DATABASE_URL"],
    ["DATABASE_URI", "DATABASE_URL"],
    ["JWT_SECRT", "JWT_SECRET"],
    ["JWT_ISUER", "JWT_ISSUER"],
    ["jwt_secret", "JWT_SECRET"],
    ["TRUSTED_PROXY", "TRUSTED_PROXIES"],
    ["ALLOWED_ORIGIN", "ALLOWED_ORIGINS"],
    ["STATEMENT_TIMEOUTS", "STATEMENT_TIMEOUT"],
    ["PROT", "PORT"],
    ["PGHSOT", "PGHOST"],
    ["PGSSLMOD", "PGSSLMODE"],
    ["PGSSLROOTCRT", "PGSSLROOTCERT"],
    ["DATABASE_HOST", "PGHOST"],
    ["DB_PASSWORD", "PGPASSWORD"],
  ])("of which one is misspelt, %s, are told the one that is meant, %s", (name, meant) => {
    expect(messageOf(() => readConfig({ [name]: "x" }))).toBe(
      `${name} is not a setting; use ${meant}.`,
    );
  });

  test("leave alone what is somebody else's variable", () => {
    const others = [
      ...["PATH", "HOME", "HOSTNAME", "PORTS", "SORT", "USER", "LANG", "TERM", "SHELL", "PWD"],
      ...[
        "DATABASE_PORT",
        "DATABASE_SERVICE_HOST",
        "CRM_SERVICE_PORT",
        "NODE_OPTIONS",
        "NODE_PATH",
      ],
      ...["npm_config_registry", "PGDATA", "PGTZ", "PGUSER", "POSTGRES_PASSWORD", "LOGNAME", "TZ"],
      ...["KUBERNETES_PORT", "HTTP_PROXY", "NO_COLOR", "EDITOR", "MAIL", "GITHUB_TOKEN", "CI"],
    ];
    const environment = Object.fromEntries(others.map((name) => [name, "x"]));
    expect(readConfig(environment)).toEqual(readConfig({}));
  });

  test("take the words for on and off", () => {
    for (const word of ["1", "true", "on"]) {
      expect(readConfig({ INTROSPECTION: word, NODE_ENV: "production" }).introspection).toBe(true);
    }
    for (const word of ["0", "false", "off"]) {
      expect(readConfig({ INTROSPECTION: word }).introspection).toBe(false);
    }
  });

  test("let a server migrate if it has the owner's URL, and can be told not to", () => {
    const server = { SERVER_DATABASE_URL: "postgres://crm_server:secret@db/crm" };
    const owner = { DATABASE_URL: "postgres://crm:secret@db/crm" };
    expect(readConfig({}).migrateOnStart).toBe(true);
    expect(readConfig({ ...owner, ...server }).migrateOnStart).toBe(true);
    expect(readConfig(server)).toMatchObject({ migrateOnStart: false, databaseUrl: undefined });
    expect(readConfig({ ...owner, MIGRATE_ON_START: "false" }).migrateOnStart).toBe(false);
  });

  test("serve GraphiQL and the schema in production only if told to", () => {
    const production = { NODE_ENV: "production" };
    const told = { GRAPHIQL: "1", INTROSPECTION: "1" };
    const all = { graphiql: true, introspection: true };
    expect(readConfig({})).toMatchObject(all);
    expect(readConfig(production)).toMatchObject({ graphiql: false, introspection: false });
    expect(readConfig({ ...production, ...told })).toMatchObject(all);
  });

  test("serve queries by GET and compress, in production as in development", () => {
    const on = { queriesByGet: true, compression: true };
    expect(readConfig({})).toMatchObject(on);
    expect(readConfig({ NODE_ENV: "production" })).toMatchObject(on);
    expect(readConfig({ QUERIES_BY_GET: "0", COMPRESSION: "off" })).toMatchObject({
      queriesByGet: false,
      compression: false,
    });
  });

  test("allow pages of this machine, except in production", () => {
    expect(readConfig({}).localOrigins).toBe(true);
    expect(readConfig({ NODE_ENV: "production" }).localOrigins).toBe(false);
  });

  test("serve no GraphiQL beside persisted operations only", () => {
    const folder = { PERSISTED_OPERATIONS: "." };
    expect(readConfig(folder)).toMatchObject({
      graphiql: true,
      persisted: { folder: process.cwd(), only: false },
    });
    expect(readConfig({ ...folder, PERSISTED_ONLY: "1" })).toMatchObject({
      graphiql: false,
      persisted: { only: true },
    });
    expect(readConfig({ PERSISTED_ONLY: "0" }).persisted).toBeUndefined();
  });

  test("let a bulk mutation be as large as everything else, at least", () => {
    const { limits } = readConfig({ MAX_BODY_BYTES: "20000000" });
    expect(limits).toMatchObject({ bodyBytes: 20_000_000, bulkBodyBytes: 20_000_000 });
  });

  test("read origins, with commas between them", () => {
    expect(
      readConfig({ ALLOWED_ORIGINS: "https://a.example, http://localhost:3000" }),
    ).toMatchObject({ allowedOrigins: ["https://a.example", "http://localhost:3000"] });
    expect(readConfig({})).toMatchObject({ allowedOrigins: [] });
  });

  test("ask for a JWT_SECRET in production", () => {
    const config = readConfig({ NODE_ENV: "production" });
    expect(messageOf(() => tokenRules(config))).toMatch(
      /^JWT_SECRET, JWKS_URL or JWKS_FILE is required/,
    );
  });

  test("take a key set for a secret, with which nothing can be signed here", () => {
    const config = readConfig({
      NODE_ENV: "production",
      JWKS_URL: "https://id.example/keys",
      JWT_ISSUER: "https://id.example/",
      JWT_AUDIENCE: "crm",
    });
    expect(tokenRules(config)).toEqual({
      keys: { jwksUrl: "https://id.example/keys" },
      issuer: "https://id.example/",
      audience: "crm",
    });
    expect(messageOf(() => jwtSecret(config))).toContain("JWKS_URL");
  });

  test("take a second secret during a rotation", () => {
    const previous = "f".repeat(32);
    const config = readConfig({ JWT_SECRET: secret, JWT_PREVIOUS_SECRET: previous });
    expect(tokenRules(config).keys).toEqual({ secrets: [secret, previous] });
  });
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  throw new Error("Nothing was refused.");
}
