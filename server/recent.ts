/** Values by key, of which only those that were used last are kept. */
export class Recent<Key, Value extends string | boolean | object> {
  // A map is ordered by insertion: what is inserted again becomes the last.
  readonly #values = new Map<Key, Value>();
  readonly #most: number;

  /** @param most how many values are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Returns the value of a key, if it is kept. */
  get(key: Key): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  /** Keeps a value, and returns it. */
  set(key: Key, value: Value): Value {
    this.#values.delete(key);
    this.#values.set(key, value);
    const { value: oldest, done } = this.#values.keys().next();
    if (this.#values.size > this.#most && !done) this.#values.delete(oldest);
    return value;
  }

  /** Forgets all values. */
  clear(): void {
    this.#values.clear();
  }
}
