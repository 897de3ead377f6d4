import { withDatabase } from "../../embedded/open.ts";
import { exitCodes, Problem } from "../../errors/problem.ts";
import { withConnection } from "../../postgres/connect.ts";
import { urlPassword } from "../../postgres/database-url.ts";
import { deriveUrl, setPassword } from "../../postgres/server-login.ts";
import type { Context } from "./context.ts";

/** Who connects. */
export type Login = "owner" | "server" | "reporter";

const reporterRole = "crm_reporter";

/**
 * Prints the URL of the database for a login, with its password. That of `crm_reporter` in the embedded
 * database is given to it here; elsewhere nobody but its owner knows it.
 *
 * @throws {Problem} for `crm_reporter` in a database of one's own.
 */
export async function urlCommand({ config, print, note }: Context, login: Login): Promise<void> {
  await withDatabase(config, async ({ ownerUrl, serverUrl, embedded }) => {
    if (login === "reporter" && embedded === undefined) {
      throw new Problem(
        `Give ${reporterRole} a password, \\password ${reporterRole} in psql, and put it into the URL ` +
          "of the database: pgcrm does not know it.",
        exitCodes.usage,
      );
    }
    const url = { owner: ownerUrl, server: serverUrl, reporter: deriveUrl(ownerUrl, reporterRole) }[
      login
    ];
    if (login === "reporter") {
      await withConnection(ownerUrl, (owner) =>
        setPassword(owner, reporterRole, urlPassword(url) ?? ""),
      );
    }
    print(url);
    if (embedded !== undefined && (await embedded.servedAt()) === undefined) {
      note("The embedded database runs while pgcrm does: npx pgcrm start.");
    }
  });
}
