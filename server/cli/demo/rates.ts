import type { Random } from "./random.ts";

/** About how many dollars one unit of a currency was worth, as of 2025. */
const dollars: Readonly<Record<string, number>> = {
  USD: 1,
  EUR: 1.13,
  GBP: 1.32,
  NOK: 0.097,
  BRL: 0.18,
  JPY: 0.0067,
};

/** Returns the power of ten by which prices in a currency are larger than those in dollars. */
export function unitsOf(currency: string): number {
  return 10 ** Math.round(-Math.log10(dollars[currency] ?? 1));
}

/** Exchange rates that change a little from month to month. */
export interface Rates {
  /** Returns the rates of the next month, by currency. */
  next(): [currency: string, rate: number][];
}

/**
 * Creates the exchange rates of the demonstration data.
 *
 * @param base the base currency. If its value is not known here, there are no rates.
 */
export function createRates(random: Random, base: string): Rates {
  const unit = dollars[base];
  const rates = Object.entries(dollars)
    .filter(([currency]) => unit !== undefined && currency !== base)
    .map(([currency, value]) => ({ currency, rate: value / (unit ?? 1) }));
  return {
    next() {
      for (const one of rates) one.rate *= 1 + random.between(-20, 20) / 1000;
      return rates.map(({ currency, rate }) => [currency, Number(rate.toPrecision(5))]);
    },
  };
}
