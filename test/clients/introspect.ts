// Writes schema.json, which graphcache reads: the introspection of schema.graphql without descriptions and
// inputs. A server in production has no introspection, so a client is built with the file.

import { readFileSync, writeFileSync } from "node:fs";

import { minifyIntrospectionQuery } from "@urql/introspection";
import { buildSchema, introspectionFromSchema } from "graphql";

const schema = buildSchema(readFileSync("schema.graphql", "utf8"));
writeFileSync(
  "schema.json",
  JSON.stringify(minifyIntrospectionQuery(introspectionFromSchema(schema))),
);
