import { colorsFor } from "../colors.ts";
import type { Config } from "../../settings.ts";

/** What every command is given. */
export interface Context {
  readonly config: Config;
  /** Prints one line of result on standard output. */
  readonly print: (line: string) => void;
  /** Prints one line of progress on standard error. */
  readonly note: (line: string) => void;
}

/**
 * The context of a process: results and notes on its own streams, notes dim on a terminal.
 *
 * @param config the settings.
 */
export function createContext(config: Config): Context {
  const colors = colorsFor(process.stderr);
  return {
    config,
    print: (line) => console.log(line),
    note: (line) => console.error(colors.dim(line)),
  };
}
