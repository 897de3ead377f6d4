/** Names that other programs use for one of our settings. */
const otherNames: Readonly<Record<string, string>> = {
  DATABASE_HOST: "PGHOST",
  DATABASE_USER: "PGUSER",
  DATABASE_PASSWORD: "PGPASSWORD",
  DATABASE_NAME: "PGDATABASE",
  DATABASE_SSL: "PGSSLMODE",
  DATABASE_SSLMODE: "PGSSLMODE",
  DB_HOST: "PGHOST",
  DB_PORT: "PGPORT",
  DB_USER: "PGUSER",
  DB_PASSWORD: "PGPASSWORD",
  DB_NAME: "PGDATABASE",
  DB_SSL: "PGSSLMODE",
  DB_URL: "DATABASE_URL",
};

/**
 * Returns the names that are probably misspelt settings, each with the setting that is meant. All other
 * names belong to other programs.
 *
 * @param names the names of the environment variables.
 * @param known the names of all settings.
 */
export function nearMisses(names: readonly string[], known: readonly string[]): [string, string][] {
  const ours = new Set(known);
  return names
    .filter((name) => !ours.has(name))
    .flatMap((name) => {
      const meant = otherNames[name] ?? known.find((candidate) => isNear(name, candidate));
      return meant === undefined ? [] : [[name, meant] as [string, string]];
    });
}

/** The names of operators in other APIs, without separators and capitals. */
const otherOperators: Readonly<Record<string, readonly string[]>> = {
  eq: ["equalTo"],
  equal: ["equalTo"],
  equals: ["equalTo"],
  is: ["equalTo"],
  ieq: ["equalToInsensitive"],
  ne: ["notEqualTo"],
  neq: ["notEqualTo"],
  not: ["notEqualTo"],
  notequals: ["notEqualTo"],
  gt: ["greaterThan"],
  after: ["greaterThan"],
  gte: ["greaterThanOrEqualTo"],
  ge: ["greaterThanOrEqualTo"],
  lt: ["lessThan"],
  before: ["lessThan"],
  lte: ["lessThanOrEqualTo"],
  le: ["lessThanOrEqualTo"],
  nin: ["notIn"],
  isnotnull: ["isNull"],
  exists: ["isNull"],
  contains: ["includes"],
  substring: ["includes"],
  icontains: ["includesInsensitive", "containsInsensitive"],
  ilike: ["likeInsensitive"],
  nilike: ["notLikeInsensitive"],
  nlike: ["notLike"],
  has: ["contains"],
  any: ["anyEqualTo", "some"],
  hassome: ["overlaps"],
  hasevery: ["contains"],
  all: ["every"],
};

/**
 * Returns the member of an input that is probably meant by another name, such as `equalTo` by `eq`;
 * undefined if none is.
 */
export function meantMember(name: string, members: readonly string[]): string | undefined {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const others = Object.hasOwn(otherOperators, plain) ? otherOperators[plain] : undefined;
  return (
    others?.find((other) => members.includes(other)) ??
    members.find((member) => isNear(name.slice(0, 100), member))
  );
}

/**
 * Returns whether a name is a misspelling of another: by capitals, separators, or two exchanged letters;
 * in longer names also by one or two added, missing or different letters. `PORTS` or `SORT` may be
 * variables of another program, but `DATABASE_URI` hardly.
 */
function isNear(name: string, candidate: string): boolean {
  const plain = (text: string) => text.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
  const [given, meant] = [plain(name), plain(candidate)];
  if (given === meant) return true;
  if (meant.length >= 6 && singular(given) === singular(meant)) return true;
  const slips = meant.length >= 10 ? 2 : meant.length >= 6 ? 1 : 0;
  if (Math.abs(given.length - meant.length) > slips) return isTransposed(given, meant);
  return isTransposed(given, meant) || distance(given, meant) <= slips;
}

function singular(name: string): string {
  return name.replace(/IES$/, "Y").replace(/S$/, "");
}

function isTransposed(given: string, meant: string): boolean {
  if (given.length !== meant.length) return false;
  const differing = Array.from(meant, (letter, i) => (letter === given[i] ? -1 : i)).filter(
    (place) => place >= 0,
  );
  const [first = -1, second = -1] = differing;
  return (
    differing.length === 2 &&
    second === first + 1 &&
    given[first] === meant[second] &&
    given[second] === meant[first]
  );
}

/** Counts the letters to be added, removed, replaced or exchanged with the next one. */
function distance(left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= left.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const isSame = left[i - 1] === right[j - 1];
      const at = (k: number, l: number) => rows[k]?.[l] ?? Infinity;
      let least = Math.min(
        at(i - 1, j) + 1,
        (row[j - 1] ?? 0) + 1,
        at(i - 1, j - 1) + (isSame ? 0 : 1),
      );
      if (left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        least = Math.min(least, at(i - 2, j - 2) + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}
