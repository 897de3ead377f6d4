import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { basename, delimiter, dirname, join, resolve } from "node:path";

import express from "express";
import { type Browser, chromium } from "playwright-core";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "examples", "web");
const folder = join(root, ".data", "web");

/** The browser of Debian's package `chromium`. */
export const chromiumPath = "/usr/bin/chromium";

/** A built and served examples/web. */
export interface WebClient {
  readonly url: string;
  close(): void;
}

/**
 * Builds examples/web in `.data/web`, and serves it. Its packages are installed there if their lock file
 * changed.
 *
 * @param serverUrl where its pgcrm is.
 * @throws with the output of npm, codegen, the compiler or Vite, if one of them fails.
 */
export async function serveWebClient(serverUrl: string): Promise<WebClient> {
  mkdirSync(folder, { recursive: true });
  const lock = readFileSync(join(source, "package-lock.json"), "utf8");
  const installed = join(folder, "installed");
  const isInstalled = existsSync(installed) && readFileSync(installed, "utf8") === lock;
  rmSync(join(folder, "src"), { recursive: true, force: true });
  cpSync(source, folder, { recursive: true, filter: (path) => !generated.has(basename(path)) });
  if (!isInstalled) {
    run("ci", "--no-audit", "--no-fund", "--loglevel=error");
    cpSync(join(source, "package-lock.json"), installed);
  }
  run("run", "build");

  const files = express().use(express.static(join(folder, "dist")));
  const server = await new Promise<ReturnType<typeof files.listen>>((ready) => {
    const listening = files.listen(0, "127.0.0.1", () => ready(listening));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };

  function run(...parameters: string[]): void {
    const { status, stdout, stderr } = spawnSync("npm", parameters, {
      cwd: folder,
      encoding: "utf8",
      env: {
        ...process.env,
        PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
        VITE_PGCRM_URL: serverUrl,
      },
    });
    if (status !== 0) throw new Error(`npm ${parameters.join(" ")} failed:\n${stdout}${stderr}`);
  }
}

/** What a developer's copy contains that is not its source. */
const generated = new Set(["node_modules", "dist", "generated"]);

/** Starts the browser. */
export function openChromium(): Promise<Browser> {
  // The pages are our own, and root has no sandbox.
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
}
