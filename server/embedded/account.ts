import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";

import { Problem } from "../errors/problem.ts";

/** The account of the operating system that PostgreSQL runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Returns the account to run PostgreSQL as. PostgreSQL refuses to run as root, so for root it is the owner
 * of the data, or `postgres`, which is created if it is missing. Otherwise it is undefined: the account of
 * this process.
 *
 * @param dataFolder the folder of the cluster's data, which need not exist yet.
 * @throws {Problem} if the account is missing and cannot be created.
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
 * Returns whether an account may enter a folder.
 *
 * @param account undefined for the account of this process.
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
