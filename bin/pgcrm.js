#!/usr/bin/env node
// The command line's entry. In a checkout it runs on the system's own Node (20 or newer), installs what is
// missing, and hands over to the Node that the project carries, which runs TypeScript as it is. The package
// is compiled, and runs on the Node that is there if that is new enough. A Node that can run what is here
// goes on by itself.

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

/** The Node that runs the package: this one, or that of the npm package `node`. */
function findNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return { isSuitable: true };
  try {
    const found = createRequire(import.meta.url).resolve("node/package.json");
    const nodeBinary = join(dirname(found), "bin", "node");
    if (existsSync(nodeBinary)) return { isSuitable: false, nodeBinary };
  } catch {
    // It was left out.
  }
  throw new Error(
    `pgcrm needs Node 22.18 or newer, and this is ${process.versions.node}. Install one, or the package that carries one: npm install node@24`,
  );
}

function isMissingPackage(error) {
  return error.code === "ERR_MODULE_NOT_FOUND" && /Cannot find package/.test(error.message);
}

function explainMissing({ message }) {
  const [, name] = /Cannot find package '([^']+)'/.exec(message) ?? [];
  return `The package ${name} is not installed, which the server and the command line need: run npm install pgcrm.`;
}

function handOver(nodeBinary) {
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
