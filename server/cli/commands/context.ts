import { colorsFor } from "../colors.ts";
import type { Config } from "../../settings.ts";
import type { Application } from "../application.ts";

/** What every command is given. */
export interface Context {
  readonly config: Config;
  /** The application in whose folder this is done, if there is one. */
  readonly application?: Application | undefined;
  /** Prints one line of result on standard output. */
  readonly print: (line: string) => void;
  /** Prints one line of progress on standard error. */
  readonly note: (line: string) => void;
}

/**
 * The context of a process: results and notes on its own streams, notes dim on a terminal.
 *
 * @param config the settings.
 * @param application the application in whose folder this is done, if there is one.
 */
export function createContext(config: Config, application?: Application): Context {
  const colors = colorsFor(process.stderr);
  return {
    config,
    application,
    print: (line) => console.log(line),
    note: (line) => console.error(colors.dim(line)),
  };
}
