import pico from "picocolors";

/**
 * Returns the colours for a stream: only on a terminal, and never if `NO_COLOR` is set
 * (https://no-color.org). `FORCE_COLOR` and `--color` are ignored, so a file or a pipe receives plain text.
 *
 * @param stream the stream that the text is written to.
 */
export function colorsFor(stream: { isTTY?: boolean }): ReturnType<typeof pico.createColors> {
  return pico.createColors(stream.isTTY === true && !process.env.NO_COLOR);
}
