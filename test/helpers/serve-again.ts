import { createContext } from "../../server/cli/commands/context.ts";
import { startCommand } from "../../server/cli/commands/start.ts";
import { readConfig } from "../../server/settings.ts";

// What `pgcrm start` does, over and over: each stop signal ends one round, and the next one begins.
const context = createContext(readConfig(process.env));
process.setMaxListeners(0);
for (;;) {
  await startCommand(context);
  console.log("stopped");
}
