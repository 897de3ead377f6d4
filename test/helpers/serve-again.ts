import { createContext } from "../../server/commands/context.ts";
import { startCommand } from "../../server/commands/start.ts";
import { readConfig } from "../../server/config.ts";

// What `pgcrm start` does, over and over: each stop signal ends one round, and the next one begins.
const context = createContext(readConfig(process.env));
process.setMaxListeners(0);
for (;;) {
  await startCommand(context);
  console.log("stopped");
}
