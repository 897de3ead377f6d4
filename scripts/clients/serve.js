// The servers that the clients send requests to.

import { createHash } from "node:crypto";

import { createServer, signToken } from "../../server/server.ts";

const secret = createHash("sha256").update("the clients of the tests").digest("hex");

/**
 * Starts the servers of `test/clients/crm.ts`, on free ports and the same database.
 *
 * @param {string} databaseUrl the URL of the owner of a migrated database.
 * @param {string} operations the folder of persisted operations.
 */
export async function startServers(databaseUrl, operations) {
  const patient = { POOL_TIMEOUT: "60000", PLANNING_TIMEOUT: "60000" }; // the machine may be busy
  const development = {
    ...{ DATABASE_URL: databaseUrl, JWT_SECRET: secret, LOG_LEVEL: "error" },
    ...patient,
  };
  const production = {
    ...development,
    NODE_ENV: "production",
    PERSISTED_OPERATIONS: operations,
  };
  const strict = { ...production, PERSISTED_ONLY: "1", QUERIES_BY_GET: "0" };
  const servers = await Promise.all(
    [development, production, strict].map((settings) => createServer({ settings })),
  );
  const close = () => Promise.all(servers.map((server) => server.close()));
  try {
    await Promise.all(servers.map(({ ready }) => ready));
    const [PGCRM_URL, PGCRM_PRODUCTION_URL, PGCRM_STRICT_URL] = await Promise.all(
      servers.map(async (server) => {
        const { port } = (await server.listen(0, "127.0.0.1")).address();
        return `http://127.0.0.1:${port}/graphql`;
      }),
    );
    const PGCRM_TOKEN = await signToken(secret, {
      role: "admin",
      user: "developer",
      expires: "1h",
    });
    return {
      environment: { PGCRM_URL, PGCRM_PRODUCTION_URL, PGCRM_STRICT_URL, PGCRM_TOKEN },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
