import { OverloadedError } from "../errors/classes.ts";

export interface GateOptions {
  /** How many calls may run at once. */
  readonly places: number;
  /** How many calls may wait; by default, any number. */
  readonly queue?: number;
  /** How long a call may wait, in milliseconds; by default, without limit. */
  readonly patience?: number;
  /** The pause before a place is given to the next waiting call, in milliseconds; by default, none. */
  readonly rest?: number;
}

/** Limits the number of concurrent calls. Further calls wait, in the order of their arrival. */
export interface Gate {
  /**
   * Runs work as soon as there is a free place.
   *
   * @param departure ends the wait if the client disconnects.
   * @throws {OverloadedError} if too many calls wait, or the wait takes too long.
   */
  run<Result>(work: () => Result | Promise<Result>, departure?: AbortSignal): Promise<Result>;
}

/** Creates a gate. */
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
    else next(); // it gets the place
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
