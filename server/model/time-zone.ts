import { ValidationError } from "../errors/classes.ts";

/** The form of a name. The longest name in the time zone database has 32 characters. */
const form = /^(?=.{1,64}$)[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

/**
 * Returns the settings of a request's transaction for its time zone, which determines the limits of days. By
 * default, the time zone of the installation is used.
 *
 * @param name the IANA name, from the header `Time-Zone` or the parameters of a WebSocket.
 * @returns undefined if there is no name.
 * @throws {ValidationError} if there is no such time zone.
 */
export function timeZoneSettings(name: unknown): { "crm.time_zone": string } | undefined {
  if (name === undefined) return undefined;
  if (typeof name !== "string" || !form.test(name) || !isKnown(name)) {
    const message = "is not the IANA name of a time zone, such as Europe/Berlin";
    throw new ValidationError(`Time-Zone ${message}`, { timeZone: [message] });
  }
  return { "crm.time_zone": name };
}

function isKnown(timeZone: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
