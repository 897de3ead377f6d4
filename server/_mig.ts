import { readFileSync } from "node:fs";
import { applyCurrent } from "./migrations/migrate.ts";
import { withConnection } from "./postgres/connect.ts";
import { fill } from "../bench/crm.ts";
const url = readFileSync("/tmp/w/url","utf8").replace("/DB","/"+process.argv[2]);
await applyCurrent({ ownerUrl: url });
await withConnection(url, (c) => fill(c, Number(process.argv[3])));
