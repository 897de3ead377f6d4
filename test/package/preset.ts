// An application that serves the API from a PostGraphile of its own.
import {
  constraints,
  createPgService,
  createPreset,
  createRequestPool,
  readConfig,
} from "pgcrm/preset";
import { pino } from "pino";
import { makeSchema } from "postgraphile";

const { limits, heavy, timeouts } = readConfig({});
const pool = createRequestPool(process.env.SERVER_DATABASE_URL ?? "", 2, timeouts);
const preset = createPreset({
  pgService: createPgService({ pool, schemas: ["crm"] }),
  ...{ constraints, limits, heavy, timeouts },
  logger: pino({ level: "silent" }),
  ...{ graphiql: false, introspection: true, queriesByGet: false },
  persisted: { operations: undefined, only: false },
});
const { schema } = await makeSchema(preset);
console.log(schema.getQueryType()?.getFields().contacts === undefined ? "no contacts" : "contacts");
await pool.end();
