#!/usr/bin/env node
// The command line's entry. It runs on the system's own Node (20 or newer), installs what is missing,
// and hands over to the Node that the project carries, which runs TypeScript as it is. A Node that can
// do so itself, as that of the image, goes on by itself.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import { ensureInstalled, isSuitable, nodeBinary } from "../scripts/ensure-installed.js";

const cli = new URL("../server/cli/cli.ts", import.meta.url);

try {
  ensureInstalled();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

if (isSuitable()) await import(cli.href);
else handOver();

function handOver() {
  // The channel tells the server when this process is gone, however it ends.
  const child = spawn(nodeBinary, [fileURLToPath(cli), ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
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
}
