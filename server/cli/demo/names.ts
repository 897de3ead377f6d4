import type { Random } from "./random.ts";
import type { Industry, Region } from "./words.ts";

export interface Names {
  /** Returns a company name that was not returned before, and the first label of its domain. */
  company(region: Region, industry: Industry): { name: string; slug: string };
  /** Returns a person with an email address that was not returned before. */
  person(region: Region, slug: string): { first: string; last: string; email: string };
  /** Returns a phone number that was not returned before; undefined if the region has no more. */
  phone(region: Region): string | undefined;
  address(region: Region): Readonly<Record<string, string>>;
  /** Returns another way to write the name of a company. */
  variant(region: Region, name: string): string;
  /** Returns a name with a typing error. */
  misspelt(name: string): string;
}

/** Creates the names, addresses and numbers of one set of demonstration data. */
export function createNames(random: Random): Names {
  const slugs = new Set<string>();
  const people = new Set<string>();
  const emails = new Set<string>();
  const phones = new Map<Region, number>();

  function unique(taken: Set<string>, base: string): string {
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}${number}`;
    taken.add(name);
    return name;
  }

  return {
    company(region, industry) {
      const activity = () => random.pick(region.activities[industry]);
      const family = () => random.pick(region.lastNames);
      const styles = [
        () => `${family()} ${activity()}`,
        () => `${random.pick(region.cities)} ${activity()}`,
        () => `${family()} & ${family()} ${activity()}`,
        () => `${family()} ${random.pick(region.cities)} ${activity()}`,
      ];
      let base = random.pick(styles)();
      for (let attempt = 0; slugs.has(slugOf(base)) && attempt < 20; attempt++) {
        base = random.pick(styles.slice(2))();
      }
      const slug = unique(slugs, slugOf(base));
      return {
        name: random.chance(0.5) ? `${base} ${random.pick(region.legalForms)}` : base,
        slug,
      };
    },
    person(region, slug) {
      // People with the same name look like duplicates, so there are few until the names run out.
      let [first, last] = [random.pick(region.firstNames), random.pick(region.lastNames)];
      for (let attempt = 0; people.has(`${first} ${last}`) && attempt < 20; attempt++) {
        [first, last] = [random.pick(region.firstNames), random.pick(region.lastNames)];
      }
      people.add(`${first} ${last}`);
      const local = random.chance(0.7)
        ? `${slugOf(first)}.${slugOf(last)}`
        : `${slugOf(first).charAt(0)}.${slugOf(last)}`;
      const address = `${local}@${slug}.example`;
      const isTaken = emails.has(address);
      const email = isTaken ? `${local}${emails.size}@${slug}.example` : address;
      emails.add(email);
      return { first, last, email };
    },
    phone(region) {
      const number = phones.get(region) ?? 0;
      const [prefix, digits] = region.phones[number % region.phones.length] ?? ["", 0];
      const place = Math.floor(number / region.phones.length);
      const capacity = 10 ** digits;
      if (place >= capacity) return undefined;
      phones.set(region, number + 1);
      // 7919 has no factor in common with ten, so every number comes once.
      return prefix + String((place * 7919) % capacity).padStart(digits, "0");
    },
    address(region) {
      const street = random.pick(region.streets);
      const house = random.between(1, 180);
      const isFirst = ["GB", "US", "FR"].includes(region.country);
      return {
        street: isFirst ? `${house} ${street}` : `${street} ${house}`,
        city: random.pick(region.cities),
        postalCode: String(random.between(10_000, 99_999)),
        country: region.country,
      };
    },
    variant(region, name) {
      const form = region.legalForms.find((one) => name.endsWith(` ${one}`));
      return form === undefined
        ? `${name} ${random.pick(region.legalForms)}`
        : name.slice(0, -form.length - 1);
    },
    misspelt(name) {
      const place = random.between(1, Math.max(1, name.length - 2));
      const isDoubled = random.chance(0.5);
      return (
        name.slice(0, place) +
        (isDoubled ? name.charAt(place).repeat(2) : "") +
        name.slice(place + 1)
      );
    },
  };
}

/** Returns a text in the letters of a host name. */
function slugOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll("ß", "ss")
    .replaceAll("ø", "o")
    .replaceAll("æ", "ae")
    .replaceAll("ð", "d")
    .normalize("NFD")
    .replaceAll(/[^a-z0-9]/g, "");
}
