import { ValidationError } from "../errors/classes.ts";

/** The longest name in the database of time zones has 32 characters. */
const form = /^(?=.{1,64}$)[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

/**
 * The settings of a request's transaction for the time zone whose days it wants to count by; without one,
 * that of the installation holds.
 *
 * @param name the IANA name, from the header `Time-Zone` or the parameters of a socket.
 * @throws ValidationError if there is no such zone.
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
