/** Values by key, of which only those that were used last are kept. */
export interface Recent<Key, Value> {
  /** Returns the value of a key, which is created if it is not kept. */
  get(key: Key, create: (key: Key) => Value): Value;
  /** Forgets a key. */
  delete(key: Key): void;
}

/**
 * Creates a store of recent values.
 *
 * @param most how many are kept.
 */
export function createRecent<Key, Value>(most: number): Recent<Key, Value> {
  // A map is ordered by insertion: the value that is inserted again becomes the last.
  const values = new Map<Key, { readonly value: Value }>();
  return {
    get(key, create) {
      const entry = values.get(key) ?? { value: create(key) };
      values.delete(key);
      values.set(key, entry);
      const [oldest] = values.keys();
      if (oldest !== undefined && values.size > most) values.delete(oldest);
      return entry.value;
    },
    delete: (key) => values.delete(key),
  };
}
