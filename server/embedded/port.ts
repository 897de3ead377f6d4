import { chownSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import type { Place } from "./place.ts";

/** Returns a free port on 127.0.0.1: the last one of this cluster if possible. */
export async function choosePort({ folder }: Place): Promise<number> {
  const remembered = join(folder, "port");
  const last = existsSync(remembered) ? Number(readFileSync(remembered, "utf8")) : 0;
  return (await freePort(last)) ?? (await freePort(0)) ?? 0;
}

/** Stores the port of a cluster for its next start, so that URLs stay valid. */
export function rememberPort({ folder, account }: Place, port: number): void {
  const path = join(folder, "port");
  writeFileSync(path, String(port));
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}

/** Returns the wanted port, or for 0 any free one; undefined if it is in use. */
async function freePort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => {
      resolve(undefined);
    });
    probe.listen(wanted, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : undefined;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}
