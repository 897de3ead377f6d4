import type { Constraints } from "../errors.ts";

/** What clients are told about each constraint of the database. */
export const constraints: Constraints = {};
