import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode, Problem } from "../errors/problem.ts";

/** The main process of a server. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/**
 * Reads `postmaster.pid`, which a server writes when it starts and deletes when it stops.
 *
 * @param data the data folder.
 * @returns undefined if there is no such file. After a crash it names a process that has ended.
 */
export function readPostmaster(data: string): Postmaster | undefined {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    return { pid: Number(lines[0]), port: Number(lines[3]) };
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Whether a process belongs to the server of a data folder: that folder is its working directory. */
export function runsIn(data: string, pid: number): boolean {
  if (process.platform !== "linux") return isAlive(pid);
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === data;
  } catch {
    return false; // it has ended, is a zombie, or belongs to another user
  }
}

/**
 * Ends the processes of a server that was killed. A busy process does not notice that its server has
 * ended: it goes on writing, and no other server may run besides it. Call this before `postmaster.pid` is
 * deleted, by which PostgreSQL itself would find such processes.
 *
 * @throws {Problem} if they still run after ten seconds.
 */
export async function endOrphans(data: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (let orphans = findOrphans(data); orphans.length > 0; orphans = findOrphans(data)) {
    if (Date.now() > deadline) {
      throw new Problem(`Processes of a killed database do not end: ${orphans.join(", ")}.`);
    }
    for (const pid of orphans) {
      try {
        process.kill(pid, "SIGQUIT");
      } catch (error) {
        if (!hasCode(error, "ESRCH")) throw error;
      }
    }
    await sleep(20);
  }
}

function findOrphans(data: string): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && runsIn(data, pid) && isOrphan(data, pid));
}

/** A server's processes are called `postgres: …`. While the server runs, it is their parent. */
function isOrphan(data: string, pid: number): boolean {
  try {
    const title = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return title.startsWith("postgres: ") && !runsIn(data, Number(parent));
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH")) return false; // it has just ended
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}
