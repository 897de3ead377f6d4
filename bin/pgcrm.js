#!/usr/bin/env node
// The entry point of the command line. In a checkout, it runs on the system's Node (20 or newer), installs
// missing packages, and starts the Node of the npm package `node`, which runs TypeScript directly. The
// published package is compiled and needs no other Node if the system's is new enough. No second process is
// started if the current Node is suitable.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const sources = new URL("../server/cli/cli.ts", import.meta.url);
const compiled = new URL("../dist/cli/cli.js", import.meta.url);
const isCheckout = existsSync(sources);
const cli = isCheckout ? sources : compiled;

try {
  const { isSuitable, nodeBinary } = isCheckout ? await prepareCheckout() : findNode();
  if (isSuitable) await import(cli.href);
  else handOver(nodeBinary);
} catch (error) {
  console.error(isMissingPackage(error) ? explainMissing(error) : error.message);
  process.exitCode = 1;
}

async function prepareCheckout() {
  const { ensureInstalled, isSuitable, nodeBinary } =
    await import("../scripts/ensure-installed.js");
  ensureInstalled();
  return { isSuitable: isSuitable(), nodeBinary };
}

/** Returns the Node that runs the package: this one, or that of the npm package `node`. */
function findNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return { isSuitable: true };
  try {
    const found = createRequire(import.meta.url).resolve("node/package.json");
    const nodeBinary = join(dirname(found), "bin", "node");
    if (existsSync(nodeBinary)) return { isSuitable: false, nodeBinary };
  } catch {
    // The optional package is not installed.
  }
  throw new Error(
    `pgcrm requires Node.js 22.18 or newer; this is ${process.versions.node}. ` +
      "Upgrade Node.js, or add it to the project: npm install node@24",
  );
}

function isMissingPackage(error) {
  return error.code === "ERR_MODULE_NOT_FOUND" && /Cannot find package/.test(error.message);
}

function explainMissing({ message }) {
  const [, name] = /Cannot find package '([^']+)'/.exec(message) ?? [];
  return (
    `The package ${name} is not installed. The server and the command line require it: ` +
    "run npm install pgcrm."
  );
}

function handOver(nodeBinary) {
  // The server detects by the closed channel that this process has ended, even if it was killed.
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
