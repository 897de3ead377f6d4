import type { IncomingMessage } from "node:http";

/** Returns the path of a request. Some clients send the whole URL, as to a proxy. */
export function pathOf({ url = "" }: IncomingMessage): string {
  const end = url.indexOf("?");
  const path = end < 0 ? url : url.slice(0, end);
  return path.startsWith("/") ? path : (URL.parse(path)?.pathname ?? path);
}

/**
 * Returns the address of the client, as the last trusted proxy has seen it.
 *
 * @param trustedProxies the number of proxies before the server, each of which adds to `X-Forwarded-For`.
 */
export function addressOf({ socket, headers }: IncomingMessage, trustedProxies: number): string {
  const direct = socket.remoteAddress ?? "";
  const forwarded = headers["x-forwarded-for"];
  if (trustedProxies === 0 || forwarded === undefined) return direct;
  const seen = [forwarded].flat().join(",").split(",");
  const known = seen.map((address) => address.trim()).filter((address) => address !== "");
  return known.at(-trustedProxies) ?? known[0] ?? direct;
}
