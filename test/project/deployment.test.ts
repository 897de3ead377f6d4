import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";

import { configVariables, readConfig } from "../../server/settings.ts";
import { withConnection } from "../../server/postgres/connect.ts";
import { clusterUrl } from "../helpers/cluster.ts";
import { readDockerfile } from "../helpers/image.ts";

const root = join(import.meta.dirname, "../..");
const read = (name: string) => readFileSync(join(root, name), "utf8");
const project = z
  .object({ version: z.string(), optionalDependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read("package.json")));

const service = z.object({
  image: z.string(),
  build: z.object({ context: z.literal(".") }).optional(),
  environment: z.record(z.string(), z.string()),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  shm_size: z.string().optional(),
  restart: z.string(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z
    .object({ test: z.array(z.string()).optional() })
    .loose()
    .optional(),
  volumes: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
});

const compose = z
  .object({
    services: z.object({ database: service, migrate: service, server: service }).strict(),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(parse(read("docker-compose.yml")));

describe("docker-compose.yml", () => {
  const { database, migrate, server } = compose.services;
  const all = Object.values(compose.services);

  test("runs PostgreSQL with its data on a volume, where that image keeps them", () => {
    expect(database.volumes).toContain("database:/var/lib/postgresql");
    expect(Object.keys(compose.volumes)).toEqual(["database"]);
    expect(database.shm_size).toBe("256mb");
  });

  test("names every image by a release, not by a tag that moves", () => {
    expect(database.image).toMatch(/^postgres:18\.\d+-\w+$/);
    for (const { image } of [migrate, server]) expect(image).toBe(`pgcrm:${project.version}`);
  });

  test("publishes ports on this machine only, that of the database for a DBA too", () => {
    expect(database.ports).toEqual(["127.0.0.1:${PUBLISHED_DATABASE_PORT:-5432}:5432"]);
    expect(server.ports).toEqual(["127.0.0.1:${PORT:-5000}:5000"]);
    expect(migrate.ports).toBeUndefined();
  });

  test("migrates once, as the owner, before servers start that know their own login only", () => {
    expect(database.healthcheck?.test).toContain("pg_isready");
    const healthy = { database: { condition: "service_healthy" } };
    expect(migrate.depends_on).toEqual(healthy);
    expect(server.depends_on).toEqual({
      ...healthy,
      migrate: { condition: "service_completed_successfully" },
    });
    expect(migrate.command).toEqual(["node", "app/bin/pgcrm.js", "migrate"]);
    expect(migrate.restart).toBe("no");
    expect(migrate.environment.DATABASE_URL).toMatch(/^postgres:\/\/crm:/);
    expect(readConfig(substituted(server.environment))).toMatchObject({
      databaseUrl: undefined,
      serverDatabaseUrl: expect.stringMatching(/^postgres:\/\/crm_server:/),
      migrateOnStart: false,
    });
    expect(migrate.environment.SERVER_DATABASE_URL).toBe(server.environment.SERVER_DATABASE_URL);
  });

  test("hands every setting over that a server can have, under its own name", () => {
    const given = new Set(Object.keys(server.environment));
    const notInContainers = new Set(["DATABASE_URL", "PGCRM_DATA"]);
    const wanted = configVariables.filter((name) => !notInContainers.has(name));
    expect([...given].toSorted()).toEqual(wanted.toSorted());
    const fixed = ["NODE_ENV", "HOST", "PORT", "SERVER_DATABASE_URL", "MIGRATE_ON_START"];
    for (const name of wanted.filter((name) => !fixed.includes(name))) {
      expect(server.environment[name]).toBe(`\${${name}:-}`);
    }
    expect(readConfig(substituted(server.environment))).toMatchObject({
      production: true,
      host: "0.0.0.0",
      port: 5000,
    });
    const more = { METRICS_TOKEN: "m".repeat(20), ALLOWED_ORIGINS: "https://crm.example" };
    const keys = { JWKS_URL: "https://id.example/keys" };
    expect(readConfig(substituted(server.environment, { ...more, ...keys }))).toMatchObject({
      metricsToken: more.METRICS_TOKEN,
      allowedOrigins: [more.ALLOWED_ORIGINS],
      keySet: { jwksUrl: keys.JWKS_URL },
    });
  });

  test("has no secret, nor a default for one", () => {
    const text = read("docker-compose.yml");
    for (const name of ["POSTGRES_PASSWORD", "OWNER_PASSWORD", "SERVER_PASSWORD"]) {
      expect(text).toContain(`\${${name}:?set ${name}}`);
      expect(text).not.toContain(`\${${name}:-`);
    }
    expect(server.environment.JWT_SECRET).toBe("${JWT_SECRET:-}");
    expect(server.environment.METRICS_TOKEN).toBe("${METRICS_TOKEN:-}");
  });

  test("gives the containers of pgcrm no more than they need, and time to stop", () => {
    for (const { read_only: isFixed, cap_drop: dropped, security_opt: options } of [
      migrate,
      server,
    ]) {
      expect(isFixed).toBe(true);
      expect(dropped).toEqual(["ALL"]);
      expect(options).toEqual(["no-new-privileges:true"]);
    }
    const seconds = Number(/^(\d+)s$/.exec(server.stop_grace_period ?? "")?.[1]);
    expect(seconds * 1000).toBeGreaterThan(readConfig({}).shutdownGrace);
    expect(all).toHaveLength(3);
  });
});

test("docker/create-owner.sh makes a database and an owner who is no superuser", async () => {
  if (spawnSync("psql", ["--version"]).status !== 0) return; // the image of PostgreSQL has it
  const { hostname, port, username, password } = new URL(clusterUrl());
  const name = `crm_owner_${randomBytes(4).toString("hex")}`;
  // The tests' cluster is shared, so the role and the database get a name of their own.
  const script = read("docker/create-owner.sh")
    .replaceAll("role crm ", `role ${name} `)
    .replaceAll("database crm owner crm", `database ${name} owner ${name}`)
    .replace("revoke connect on database postgres from public;\n", "");
  try {
    execFileSync("sh", ["-c", script], {
      env: {
        PATH: process.env.PATH,
        PGHOST: hostname,
        PGPORT: port,
        PGPASSWORD: password,
        POSTGRES_USER: username,
        OWNER_PASSWORD: "it's \\ a 'secret'",
      },
      stdio: "pipe",
    });
    const url = new URL(clusterUrl());
    url.username = name;
    url.password = encodeURIComponent("it's \\ a 'secret'");
    url.pathname = `/${name}`;
    await withConnection(url.href, async (client) => {
      const { rows } = await client.query(
        `select rolsuper, rolcreaterole, rolcreatedb, datdba = pg_roles.oid as owns
         from pg_roles, pg_database where rolname = current_user and datname = current_database()`,
      );
      expect(rows).toEqual([
        { rolsuper: false, rolcreaterole: true, rolcreatedb: false, owns: true },
      ]);
    });
  } finally {
    await withConnection(clusterUrl(), async (client) => {
      await client.query(`drop database if exists ${name} with (force)`);
      await client.query(`drop role if exists ${name}`);
    });
  }
});

describe("the Dockerfile", () => {
  const instructions = readDockerfile(read("Dockerfile"));
  const all = (name: string) =>
    instructions.filter((line) => line.name === name).map(({ rest }) => rest);

  test("is of the release of Node that the project is tested with, by a tag that does not move", () => {
    const tag = `node:${project.optionalDependencies.node ?? ""}-bookworm-slim`;
    expect(all("FROM")).toEqual([`${tag} AS packages`, tag]);
  });

  test("installs without development packages, runs as another user than root, and is asked for its health", () => {
    expect(all("RUN")[0]).toBe("npm ci --omit=dev --omit=optional --ignore-scripts");
    expect(all("USER")).toEqual(["node"]);
    expect(all("HEALTHCHECK").join()).toContain("/readyz");
  });
});

describe("the continuous integration", () => {
  test("runs the same script as a developer does", () => {
    const workflow = z
      .object({
        jobs: z.object({ test: z.object({ steps: z.array(z.record(z.string(), z.unknown())) }) }),
      })
      .parse(parse(read(".github/workflows/ci.yml")));
    expect(workflow.jobs.test.steps.at(-1)).toEqual({ run: ".ci/run" });
  });
});

/** The variables as docker compose hands them over, with long values for the required ones. */
function substituted(
  environment: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const value = (text: string) =>
    text.replaceAll(
      /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
      (_, name: string, kind: string, otherwise: string) =>
        given[name] ?? (kind === "-" ? otherwise : "x".repeat(40)),
    );
  return Object.fromEntries(Object.entries(environment).map(([name, text]) => [name, value(text)]));
}
