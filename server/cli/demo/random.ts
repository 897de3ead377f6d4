/** Pseudo-random values that a seed determines. */
export interface Random {
  /** Returns an integer from `low` to `high`. */
  between(low: number, high: number): number;
  /** Returns true with a probability from 0 to 1. */
  chance(probability: number): boolean;
  /** Returns an element of a list that is not empty. */
  pick<Item>(items: readonly Item[]): Item;
  /** Returns a positive number; half of them are below `median`, and few are many times larger. */
  skewed(median: number): number;
  /** Returns a UUID of version 4. */
  uuid(): string;
}

/** Creates a sequence of pseudo-random values: the generator mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;

  function bits(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  const fraction = () => bits() / 2 ** 32;
  const between = (low: number, high: number) => low + Math.floor(fraction() * (high - low + 1));

  return {
    between,
    chance: (probability) => fraction() < probability,
    pick<Item>(items: readonly Item[]) {
      return items[between(0, items.length - 1)] as Item;
    },
    skewed(median) {
      // The sum of uniform values is nearly normal; its exponential is nearly log-normal.
      const normal = fraction() + fraction() + fraction() + fraction() - 2;
      return median * Math.exp(normal * 1.7);
    },
    uuid() {
      const hex = [bits(), bits(), bits(), bits()]
        .map((word) => word.toString(16).padStart(8, "0"))
        .join("");
      const variant = "89ab".charAt(between(0, 3));
      return [
        ...[hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`],
        ...[`${variant}${hex.slice(17, 20)}`, hex.slice(20)],
      ].join("-");
    },
  };
}
