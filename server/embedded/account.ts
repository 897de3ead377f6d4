import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";

import { Problem } from "../errors/problem.ts";

/** The operating system's account that PostgreSQL runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account to run PostgreSQL as, which refuses to run as root: from a root shell the owner of the
 * data, or `postgres`, which is created where it is missing; otherwise undefined, the caller's own.
 *
 * @param dataFolder the cluster's data, which need not exist yet.
 * @throws {Problem} when the account is missing and cannot be created.
 */
export function serverAccount(dataFolder: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existsSync(dataFolder)) {
    const { uid, gid } = statSync(dataFolder);
    if (uid !== 0) return { uid, gid };
  }
  return lookUp("postgres") ?? create("postgres");
}

/**
 * Whether an account may enter a folder.
 *
 * @param account undefined for the caller's own.
 * @param folder an existing folder.
 */
export function canEnter(account: Account | undefined, folder: string): boolean {
  return spawnSync("test", ["-x", folder], { ...account, cwd: "/" }).status === 0;
}

function lookUp(name: string): Account | undefined {
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    Number.parseInt(spawnSync("id", [flag, name], { encoding: "utf8" }).stdout, 10),
  );
  return uid && gid ? { uid, gid } : undefined;
}

function create(name: string): Account {
  spawnSync("groupadd", ["--system", name]);
  spawnSync("useradd", ["--system", "--gid", name, "--home-dir", "/", name]);
  const account = lookUp(name);
  if (account === undefined) {
    throw new Problem(
      `PostgreSQL does not run as root, and the user ${name} could not be created: ` +
        `create it, or start as another user.`,
    );
  }
  return account;
}
