import pico from "picocolors";

/**
 * Colours for a stream: on a terminal only, and never where `NO_COLOR` is set (https://no-color.org).
 * Whatever asks for colour everywhere, as `FORCE_COLOR` does, is not heard: a file or a pipe gets text.
 *
 * @param stream where the text goes.
 */
export function colorsFor(stream: { isTTY?: boolean }): ReturnType<typeof pico.createColors> {
  return pico.createColors(stream.isTTY === true && !process.env.NO_COLOR);
}
