// Runs jest under the project's own Node, as ES modules. Arguments are passed on to jest.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

import { nodeBinary } from "./ensure-installed.js";

const jest = createRequire(import.meta.url).resolve("jest/bin/jest");
const { status } = spawnSync(
  nodeBinary,
  [
    "--experimental-vm-modules",
    "--disable-warning=ExperimentalWarning",
    jest,
    ...process.argv.slice(2),
  ],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
