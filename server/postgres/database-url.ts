/** The parts of a connection URL that another URL may differ in. */
export interface UrlChanges {
  readonly database?: string;
  readonly user?: string;
  /** `null` leaves the password out. */
  readonly password?: string | null;
  readonly applicationName?: string;
}

/**
 * A connection URL like the given one, with some parts changed. Where the URL names no host (a Unix
 * socket), user and password travel as parameters, since such a URL has no place for them.
 *
 * @param url a `postgres://` URL.
 * @param changes the parts that differ.
 */
export function changeUrl(url: string, changes: UrlChanges): string {
  const changed = new URL(url);
  const { database, user, password, applicationName } = changes;
  if (database !== undefined) changed.pathname = `/${encodeURIComponent(database)}`;
  if (user !== undefined) {
    changed.searchParams.delete("user");
    if (changed.hostname === "") changed.searchParams.set("user", user);
    else changed.username = encodeURIComponent(user);
  }
  if (password !== undefined) {
    changed.searchParams.delete("password");
    if (changed.hostname !== "") changed.password = encodeURIComponent(password ?? "");
    else if (password !== null) changed.searchParams.set("password", password);
  }
  if (applicationName !== undefined) changed.searchParams.set("application_name", applicationName);
  return changed.href;
}

/** The name of the database that a URL leads to. */
export function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

/** The password in a URL, or undefined. */
export function urlPassword(url: string): string | undefined {
  const { password, searchParams } = new URL(url);
  return (
    searchParams.get("password") ?? (password === "" ? undefined : decodeURIComponent(password))
  );
}

/** A URL as it may be shown: without its password and parameters. */
export function shownUrl(url: string): string {
  const shown = new URL(url);
  shown.password = "";
  shown.search = "";
  return shown.href;
}
