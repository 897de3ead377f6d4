import { CloseCode } from "graphql-ws";
import { normalizeConnectionParams } from "postgraphile/grafserv";

import type { PgSettings } from "../auth/authenticate.ts";
import { CrmError, UnauthenticatedError, ValidationError } from "../errors/classes.ts";
import { timeZoneSettings } from "../model/time-zone.ts";
import {
  type Connection,
  type ConnectionParams,
  countSockets,
  type GraphqlContext,
  type Hub,
  tryAgainLater,
} from "./socket-hub.ts";

/** The maximum size of everything that a client sends before its token is accepted, in bytes. */
const maxUnidentified = 16_384;

/**
 * Accepts a client, or closes its socket.
 *
 * @returns whether the client is accepted.
 */
export async function acceptClient(hub: Hub, context: GraphqlContext): Promise<boolean> {
  const { extra: connection, connectionParams: params } = context;
  const { headers } = connection.request;
  const { ofUser } = hub.deps.limits;
  connection.authorization = parameterOf(params, "authorization") ?? headers.authorization;
  connection.timeZone = parameterOf(params, "time-zone") ?? headers["time-zone"];
  if ((await identify(hub, connection)) === undefined) return false;
  if (countSockets(hub, ({ user }) => user === connection.user) > ofUser) {
    connection.socket.close(tryAgainLater, `There are ${ofUser} sockets of this user`);
    return false;
  }
  connection.context = context;
  return true;
}

/**
 * Checks the token of a socket, which may have expired or been revoked since the last check.
 *
 * @returns the settings of its transactions; undefined if the socket was closed, because the token is not
 *   valid or cannot be checked.
 */
export async function identify(hub: Hub, connection: Connection): Promise<PgSettings | undefined> {
  const { socket, authorization, timeZone } = connection;
  try {
    const settings = {
      ...(await hub.deps.authenticate(authorization)),
      ...timeZoneSettings(timeZone),
    };
    connection.user = settings["crm.user_id"];
    return settings;
  } catch (error) {
    if (error instanceof UnauthenticatedError || error instanceof ValidationError) {
      socket.close(CloseCode.Forbidden, error.message);
    } else if (error instanceof CrmError) {
      socket.close(tryAgainLater, error.message);
    } else {
      closeFailed(hub, connection, error);
    }
    return undefined;
  }
}

/** Closes a socket after an unexpected error, and logs the error. */
export function closeFailed(hub: Hub, { socket }: Connection, error: unknown): void {
  hub.deps.logger.error({ err: error }, "a socket failed unexpectedly");
  socket.close(CloseCode.InternalServerError, "Something went wrong here");
}

/** Destroys a socket whose client sends too much before its token is accepted. */
export function limitUnidentified(connection: Connection): void {
  const { socket } = connection.request;
  let size = 0;
  const listen = (chunk: Buffer) => {
    if (connection.context !== undefined) socket.off("data", listen);
    else if ((size += chunk.length) > maxUnidentified) socket.destroy();
  };
  socket.on("data", listen);
}

/**
 * Returns a parameter that a client sends at the top level, or under `headers`. Several that differ by
 * capitals are joined like headers.
 */
function parameterOf(
  params: ConnectionParams,
  name: "authorization" | "time-zone",
): string | undefined {
  const outer = normalizeConnectionParams(params);
  const inner = normalizeConnectionParams(params?.headers as ConnectionParams);
  const given = outer?.[name] ?? inner?.[name];
  return Array.isArray(given) ? given.join(", ") : given;
}
