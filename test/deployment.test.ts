import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";

import { configVariables, readConfig } from "../server/config.ts";

const root = join(import.meta.dirname, "..");
const read = (name: string) => readFileSync(join(root, name), "utf8");

const service = z.object({
  image: z.string().optional(),
  build: z.string().optional(),
  environment: z.record(z.string(), z.string()),
  healthcheck: z.object({ test: z.array(z.string()) }),
  volumes: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
});

const compose = z
  .object({
    services: z.object({ database: service, server: service }).strict(),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(parse(read("docker-compose.yml")));

describe("docker-compose.yml", () => {
  const { database, server } = compose.services;

  test("runs PostgreSQL 18 with its data on a volume, where that image keeps them", () => {
    expect(database.image).toBe("postgres:18");
    expect(database.volumes).toEqual(["database:/var/lib/postgresql"]);
    expect(Object.keys(compose.volumes)).toEqual(["database"]);
  });

  test("asks each service for its health, and starts the server after the database", () => {
    expect(database.healthcheck.test).toContain("pg_isready");
    expect(server.healthcheck.test.join(" ")).toContain("/readyz");
    expect(server.depends_on).toEqual({ database: { condition: "service_healthy" } });
  });

  test("sets only variables that the server knows, to values that it accepts", () => {
    expect(configVariables).toEqual(expect.arrayContaining(Object.keys(server.environment)));
    expect(readConfig(substituted(server.environment))).toMatchObject({
      production: true,
      host: "0.0.0.0",
      port: 5000,
    });
  });

  test("holds no secret", () => {
    expect(database.environment.POSTGRES_PASSWORD).toMatch(/^\$\{POSTGRES_PASSWORD:\?/);
    expect(server.environment.JWT_SECRET).toMatch(/^\$\{JWT_SECRET:\?/);
  });
});

describe("the Dockerfile", () => {
  const instructions = read("Dockerfile").split("\n");

  test("installs without development dependencies, runs as another user than root, and is asked for its health", () => {
    expect(instructions).toContain("FROM node:24-slim");
    expect(instructions).toContain("USER node");
    expect(instructions.find((line) => line.startsWith("RUN"))).toContain("npm ci --omit=dev");
    expect(instructions.some((line) => line.startsWith("HEALTHCHECK"))).toBe(true);
  });
});

describe("the package", () => {
  test("runs on its dependencies as they are published: nothing patches them when it is installed", () => {
    const { scripts, dependencies } = z
      .object({
        scripts: z.record(z.string(), z.string()),
        dependencies: z.record(z.string(), z.string()),
      })
      .parse(JSON.parse(read("package.json")));
    expect(Object.keys(scripts)).not.toEqual(expect.arrayContaining(["postinstall"]));
    expect(Object.keys(dependencies)).not.toContain("patch-package");
    expect(read("Dockerfile")).not.toMatch(/patch/);
  });

  test("names the one release of the library whose pages it replaces", () => {
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read("package.json")));
    const plugin = read("server/graphql/plugins/pages.ts");
    expect(plugin).toContain(`writtenFor = "${dependencies["@dataplan/pg"]}"`);
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
function substituted(environment: Readonly<Record<string, string>>): Record<string, string> {
  const value = (text: string) =>
    text.replaceAll(/\$\{\w+(?::([-?])([^}]*))?\}/g, (_, kind: string, given: string) =>
      kind === "-" ? given : "x".repeat(40),
    );
  return Object.fromEntries(Object.entries(environment).map(([name, text]) => [name, value(text)]));
}
