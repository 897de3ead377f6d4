import { colorsFor } from "../colors.ts";
import type { Config } from "../../settings.ts";
import type { Application } from "../application.ts";

/** The settings and streams that every command receives. */
export interface Context {
  readonly config: Config;
  /** The application in the current folder, if there is one. */
  readonly application?: Application | undefined;
  /** Prints one line of result on standard output. */
  readonly print: (line: string) => void;
  /** Prints one line of progress on standard error. */
  readonly note: (line: string) => void;
}

/**
 * Creates the context of a process. Results go to standard output, notes to standard error, dim on a
 * terminal.
 *
 * @param config the settings.
 * @param application the application in the current folder, if there is one.
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
