import { OverloadedError } from "../errors/classes.ts";

export interface GateOptions {
  /** How many may be inside at once. */
  readonly places: number;
  /** How many may wait to come in; any number if not given. */
  readonly queue?: number;
  /** How long one waits at most, in milliseconds; as long as it takes if not given. */
  readonly patience?: number;
  /** How long a place rests before the next one has it, in milliseconds; not at all if not given. */
  readonly rest?: number;
}

/** Lets so many do something at once; the others wait, first come first served. */
export interface Gate {
  /**
   * @param departure ends the wait when whoever asked is gone.
   * @throws {OverloadedError} where too many wait, or it takes too long.
   */
  run<Result>(work: () => Result | Promise<Result>, departure?: AbortSignal): Promise<Result>;
}

/** Makes a gate. */
export function createGate({ places, queue = Infinity, patience, rest }: GateOptions): Gate {
  const waiting = new Set<() => void>();
  let free = places;

  async function enter(departure: AbortSignal | undefined): Promise<void> {
    if (free > 0) {
      free -= 1;
      return;
    }
    if (waiting.size >= queue || departure?.aborted) throw busy();
    await new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void) => () => {
        waiting.delete(admit);
        clearTimeout(timer);
        departure?.removeEventListener("abort", giveUp);
        finish();
      };
      const admit = settle(resolve);
      const giveUp = settle(() => reject(busy()));
      const timer = patience === undefined ? undefined : setTimeout(giveUp, patience);
      departure?.addEventListener("abort", giveUp);
      waiting.add(admit);
    });
  }

  function leave(): void {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next(); // takes the place over
  }

  return {
    async run(work, departure) {
      await enter(departure);
      try {
        return await work();
      } finally {
        if (rest !== undefined && waiting.size > 0) setTimeout(leave, rest);
        else leave();
      }
    },
  };
}

function busy(): OverloadedError {
  return new OverloadedError("The server is busy with other large requests; please try again");
}
