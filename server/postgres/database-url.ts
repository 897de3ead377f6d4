/** The parts of a connection URL to be changed. */
export interface UrlChanges {
  readonly database?: string;
  readonly user?: string;
  /** Null removes the password. */
  readonly password?: string | null;
  readonly applicationName?: string;
}

/**
 * Returns a connection URL with some parts changed. If the URL has no host (a Unix socket), user and password
 * are query parameters, because such a URL has no other place for them.
 *
 * @param url a `postgres://` URL.
 * @param changes the parts to be changed.
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

/** Returns the name of the database of a URL. */
export function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

/** Returns the password of a URL, or undefined. */
export function urlPassword(url: string): string | undefined {
  const { password, searchParams } = new URL(url);
  return (
    searchParams.get("password") ?? (password === "" ? undefined : decodeURIComponent(password))
  );
}

/** Returns a URL for messages, without its password and query parameters. */
export function shownUrl(url: string): string {
  const shown = new URL(url);
  shown.password = "";
  shown.search = "";
  return shown.href;
}
