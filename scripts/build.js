// Compiles server/ to dist/, the code of the package pgcrm with its type declarations, and copies what
// dist/client.js imports to packages/client/dist/, the code of the package pgcrm-client.

import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const clientDist = join(root, "packages", "client", "dist");
const compiler = createRequire(import.meta.url).resolve("typescript/bin/tsc");

rmSync(dist, { recursive: true, force: true });
rmSync(clientDist, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
process.exitCode = status ?? 1;

if (status === 0) {
  for (const file of withImports([join(dist, "client.js"), join(dist, "client.d.ts")])) {
    cpSync(file, join(clientDist, relative(dist, file)));
  }
}

/** Returns files and all files that they import, directly or not. Declarations import declarations. */
function withImports(files) {
  const found = new Set(files);
  for (const file of found) {
    // Declarations keep the extension of the sources.
    const imports = /\b(?:from |import\()"(\.[^"]+)\.[jt]s"/g;
    for (const [, path] of readFileSync(file, "utf8").matchAll(imports)) {
      const extension = file.endsWith(".d.ts") ? ".d.ts" : ".js";
      found.add(resolve(dirname(file), path + extension));
    }
  }
  return found;
}
