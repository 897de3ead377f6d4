#!/usr/bin/env node
// The command line's entry. It runs on the system's own Node (20 or newer), installs what is missing,
// and hands over to the Node that the project carries, which runs TypeScript as it is.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import { ensureInstalled, nodeBinary } from "../scripts/ensure-installed.js";

const cli = fileURLToPath(new URL("../server/cli.ts", import.meta.url));

try {
  ensureInstalled();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

const child = spawn(nodeBinary, [cli, ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal ? 1 : 0);
});
child.on("error", (error) => {
  console.error(`Node could not be started from ${nodeBinary}: ${error.message}`);
  process.exitCode = 1;
});
