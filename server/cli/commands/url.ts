import { withDatabase } from "../../embedded/open.ts";
import { exitCodes, Problem } from "../../errors/problem.ts";
import { withConnection } from "../../postgres/connect.ts";
import { urlPassword } from "../../postgres/database-url.ts";
import { deriveUrl, setPassword } from "../../postgres/server-login.ts";
import type { Context } from "./context.ts";

/** The login that connects. */
export type Login = "owner" | "server" | "reporter";

const reporterRole = "crm_reporter";

/**
 * Prints the URL of the database for a login, with its password. The password of `crm_reporter` in the
 * embedded database is set here. In another database it is not known.
 *
 * @throws {Problem} for `crm_reporter` in a database that is not embedded.
 */
export async function urlCommand({ config, print, note }: Context, login: Login): Promise<void> {
  await withDatabase(config, async ({ ownerUrl, serverUrl, embedded }) => {
    if (login === "reporter" && embedded === undefined) {
      throw new Problem(
        `pgcrm does not know the password of ${reporterRole}. Set one with \\password ${reporterRole} ` +
          "in psql, and use it in the URL of the database.",
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
      note("The embedded database runs only while pgcrm runs; start it with npx pgcrm start.");
    }
  });
}
