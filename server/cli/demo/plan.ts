import { definitions } from "./definitions.ts";
import { createNames } from "./names.ts";
import { createRandom } from "./random.ts";
import { createRates, unitsOf } from "./rates.ts";
import * as words from "./words.ts";

/** What the demonstration data depend on. */
export interface DemoRequest {
  /** The number of contacts. */
  readonly size: number;
  /** Determines all values, together with the size and the day. */
  readonly seed: number;
  /** The end of the year that the data cover, in milliseconds since 1970. */
  readonly until: number;
  /** The names of the pipeline's stages; the open ones in order. */
  readonly stages: {
    readonly open: readonly string[];
    readonly won: string;
    readonly lost: string;
  };
  /** The base currency. */
  readonly currency: string;
}

export type EntityType =
  "custom_field_definition" | "exchange_rate" | "company" | "contact" | "deal" | "task" | "note";
export type Row = Readonly<Record<string, unknown>>;

/** A change of an entity at a time in the past. */
interface Change {
  readonly at: number;
  readonly user: string;
  /** The columns that get other values; null for a deletion. */
  readonly patch: Row | null;
  /** The change that this one is a part of, by which one transaction makes both. */
  readonly partOf?: Change;
}

/** An entity and everything that happens to it, in order; the first change creates it. */
export interface Entity {
  readonly type: EntityType;
  readonly id: string;
  readonly row: Row;
  readonly changes: [Change, ...Change[]];
  /** The tasks and notes that are attached to it. */
  readonly attached: Entity[];
}

export interface Plan {
  readonly entities: Readonly<Record<EntityType, Entity[]>>;
  /** Pairs of contacts of which the second is a duplicate of the first. */
  readonly duplicates: readonly (readonly [Entity, Entity])[];
  /** Pairs of companies of which the second is a duplicate of the first. */
  readonly duplicateCompanies: readonly (readonly [Entity, Entity])[];
}

const minute = 60_000;
export const day = 24 * 60 * minute;

/** How many deletions, in parts of the rows: they become the trash. */
const deleted = 0.01;
/** Deletions are later than this, so that the default retention of the trash keeps them. */
const trashDays = 25;
/** How many duplicates of contacts are merged. */
export const merges = 2;

/**
 * Invents a year in the life of a small sales team: companies, people, deals that move through the
 * stages, tasks, notes, duplicates and deletions. The same request gives the same plan.
 */
export function planYear({ size, seed, until, stages, currency: base }: DemoRequest): Plan {
  const random = createRandom(seed);
  const begin = until - 365 * day;
  const entities: Plan["entities"] = {
    ...{ custom_field_definition: [], exchange_rate: [] },
    ...{ company: [], contact: [], deal: [], task: [], note: [] },
  };
  const names = createNames(random);
  const rates = createRates(random, base);
  const duplicates: [Entity, Entity][] = [];
  const duplicateCompanies: [Entity, Entity][] = [];
  const trashed = Math.max(5, Math.round(size * deleted));
  const total = size + trashed + merges;

  planSettings();
  while (entities.contact.length < total) planCompany();
  for (const entity of Object.values(entities).flat()) settle(entity);
  planTrash();
  return { entities, duplicates, duplicateCompanies };

  function create(type: EntityType, at: number, user: string, row: Row): Entity {
    const id = random.uuid();
    const entity: Entity = { type, id, row, changes: [{ at, user, patch: {} }], attached: [] };
    entities[type].push(entity);
    return entity;
  }

  /** Returns a time in working hours that is some working days later. */
  function later(at: number, low: number, high: number): number {
    let days = Math.floor(at / day) + random.between(low, high);
    const weekday = (days + 4) % 7; // 1970-01-01 was a Thursday
    if (weekday === 6) days += 2;
    else if (weekday === 0) days += 1;
    return days * day + random.between(8 * 60 * minute, 18 * 60 * minute);
  }

  function soon(at: number): number {
    return at + random.between(3 * minute, 50 * minute);
  }

  function actor(owner: string): string {
    return random.chance(0.85) ? owner : random.pick(words.users);
  }

  /** Plans the custom fields, and an exchange rate for each month. */
  function planSettings(): void {
    for (const definition of definitions) {
      create("custom_field_definition", begin + 9 * 60 * minute, "ann", definition);
    }
    for (let month = startOfMonth(begin); month < until; month = startOfMonth(month + 32 * day)) {
      const at = Math.max(month, begin) + 10 * 60 * minute;
      for (const [currency, rate] of rates.next()) {
        create("exchange_rate", at, "ann", { currency, valid_from: isoDay(month), rate });
      }
    }
  }

  function planCompany(): void {
    const region = repeated(words.regions, entities.company.length);
    const industry = random.pick(words.industries);
    const isOld = entities.company.length < size / 16;
    const at = later(begin, 1, isOld ? 40 : 345);
    const owner = random.pick(words.users);
    const { name, slug } = names.company(region, industry);
    const company = create("company", at, actor(owner), {
      name,
      address: names.address(region),
      owner_id: owner,
      custom_fields: {
        industry,
        employees: Math.ceil(random.skewed(120)),
        website: `https://www.${slug}.example`,
      },
      external_ids: random.chance(0.4)
        ? [{ source: "erp", id: `C${String(entities.company.length).padStart(6, "0")}` }]
        : [],
    });
    attach(company, owner, at, 0.15, 0.3);

    const people = Math.min(Math.ceil(random.skewed(3)), 20, total - entities.contact.length);
    const wins: number[] = [];
    for (let number = 0; number < people && entities.contact.length < total; number++) {
      const span = Math.floor((until - at) / day);
      const joined = number === 0 ? soon(at) : later(at, 1, Math.max(1, Math.floor(span * 0.7)));
      if (joined >= until) continue;
      const contact = planContact(region, company, slug, owner, joined);
      for (const probability of [0.65, 0.2]) {
        if (!random.chance(probability)) continue;
        const won = planDeal(region, industry, company, contact, owner);
        if (won !== undefined) wins.push(won);
      }
    }

    if (wins.length > 0) {
      const won = soon(Math.min(...wins));
      const fields = company.row.custom_fields as Row;
      const customerSince = new Date(won).toISOString().slice(0, 10);
      change(company, won, actor(owner), {
        custom_fields: { ...fields, customer_since: customerSince },
      });
    }
    if (random.chance(0.04)) {
      change(company, later(at, 20, 200), random.pick(words.users), {
        owner_id: random.pick(words.users),
      });
    }
    if (duplicateCompanies.length === 0 || random.chance(0.02)) {
      const created = later(at, 15, 250);
      if (created < until) {
        const copy = create("company", created, random.pick(words.users), {
          ...company.row,
          name: names.variant(region, company.row.name as string),
          external_ids: [],
        });
        duplicateCompanies.push([company, copy]);
      }
    }
  }

  function planContact(
    region: words.Region,
    company: Entity,
    slug: string,
    owner: string,
    at: number,
  ): Entity {
    const { first, last, email } = names.person(region, slug);
    const phone = random.chance(0.75) ? names.phone(region) : undefined;
    const contact = create("contact", at, actor(owner), {
      first_name: first,
      last_name: last,
      emails: random.chance(0.95) ? [email] : [],
      phones: phone === undefined ? [] : [phone],
      company_id: random.chance(0.96) ? company.id : null,
      owner_id: owner,
      custom_fields: {
        job_title: random.pick(words.jobTitles),
        newsletter: random.chance(0.4),
        ...(random.chance(0.3) ? { interests: someOf(words.interests) } : {}),
      },
      external_ids: random.chance(0.3)
        ? [{ source: "erp", id: `P${String(entities.contact.length).padStart(6, "0")}` }]
        : [],
    });
    attach(contact, owner, at, 0.2, 0.35);
    if (random.chance(0.06)) {
      const other = names.phone(region);
      if (other !== undefined) change(contact, later(at, 10, 200), owner, { phones: [other] });
    }
    if (random.chance(0.05)) {
      change(contact, later(at, 10, 250), owner, {
        custom_fields: {
          ...(contact.row.custom_fields as Row),
          job_title: random.pick(words.jobTitles),
        },
      });
    }
    const isEnough = entities.contact.length >= total;
    if (!isEnough && (random.chance(0.02) || (duplicates.length < 4 && random.chance(0.3)))) {
      planDuplicate(contact, at);
    }
    return contact;
  }

  function planDuplicate(contact: Entity, at: number): void {
    const created = later(at, 5, 120);
    if (created >= until) return;
    const { first_name: first, last_name: last, emails, phones } = contact.row;
    const isMailKnown = random.chance(0.7);
    const copy = create("contact", created, random.pick(words.users), {
      ...contact.row,
      first_name: first,
      last_name: names.misspelt(last as string),
      emails: isMailKnown ? (emails as string[]).map((email) => email.toUpperCase()) : [],
      phones: isMailKnown ? [] : phones,
      custom_fields: {},
      external_ids: [],
    });
    duplicates.push([contact, copy]);
  }

  /** Returns when the deal was won first, if it was. */
  function planDeal(
    region: words.Region,
    industry: words.Industry,
    company: Entity,
    contact: Entity,
    owner: string,
  ): number | undefined {
    let at = later(contact.changes[0].at, 1, 60);
    if (at >= until) return undefined;
    const currency = random.chance(0.85) ? region.currency : "USD";
    const unit = unitsOf(currency);
    let value = Math.max(1, Math.round(random.skewed(15_000) / 100)) * 100 * unit;
    let closing = later(at, 40, 150);
    let place = random.pick([0, 0, 0, 1]) % stages.open.length;
    const deal = create("deal", at, actor(owner), {
      title: `${random.pick(words.products[industry])}, ${random.pick(words.qualifiers)}`,
      company_id: company.id,
      contact_id: contact.id,
      value,
      currency,
      stage: stages.open[place],
      probability: random.chance(0.06) ? random.between(2, 18) * 5 : null,
      close_date: isoDay(closing),
      owner_id: owner,
      custom_fields: random.chance(0.8) ? { lead_source: random.pick(words.leadSources) } : {},
      external_ids: [],
    });
    attach(deal, owner, at, 0.6, 0.4);

    // Some sellers win more often, and some deals are forgotten.
    const skill = 0.3 + words.users.indexOf(owner) * 0.04;
    const patience = random.chance(0.1) ? random.between(1, 2) : 20;
    let won: number | undefined;
    for (let step = 0; step < patience; step++) {
      at = later(at, 3, 30);
      if (at >= until) break;
      if (random.chance(0.15)) {
        value =
          Math.max(1, Math.round((value / unit / 100) * random.pick([0.8, 0.9, 1.1, 1.3]))) *
          100 *
          unit;
        change(deal, at, actor(owner), { value });
        at = soon(at);
      }
      if (at > closing || random.chance(0.1)) {
        closing = later(Math.max(at, closing), 14, 60);
        change(deal, at, actor(owner), { close_date: isoDay(closing) });
        at = soon(at);
      }
      if (random.chance(0.03)) {
        change(deal, at, random.pick(words.users), { owner_id: random.pick(words.users) });
        at = soon(at);
      }
      if (at >= until) break;
      const isLast = place === stages.open.length - 1;
      if (random.chance(isLast ? 0.35 : 0.17)) {
        close(stages.lost, random.chance(0.85) ? random.pick(words.lostReasons) : null);
        if (!random.chance(0.04)) break;
        at = later(at, 20, 60); // they called again
        place = 0;
        move();
      } else if (isLast) {
        if (random.chance(skill)) {
          close(stages.won, null);
          won = at;
          break;
        }
      } else {
        place += random.chance(0.05) && place > 0 ? -1 : random.chance(0.08) ? 2 : 1;
        place = Math.min(place, stages.open.length - 1);
        move();
      }
    }
    return won !== undefined && won < until ? won : undefined;

    function move(): void {
      change(deal, at, actor(owner), {
        stage: stages.open[place],
        lost_reason: null,
        closed_at: null,
      });
    }

    function close(stage: string, reason: string | null): void {
      const closed = new Date(at).toISOString();
      change(deal, at, actor(owner), {
        ...{ stage, lost_reason: reason, closed_at: closed },
        ...(stage === stages.won ? { close_date: isoDay(at) } : {}),
      });
    }
  }

  /** Adds tasks and notes with these probabilities. */
  function attach(
    entity: Entity,
    owner: string,
    at: number,
    taskChance: number,
    noteChance: number,
  ): void {
    const to = { entity_type: entity.type, entity_id: entity.id, external_ids: [] };
    for (const created of [soon(at), later(at, 2, 60)]) {
      if (created >= until) continue;
      if (random.chance(taskChance)) {
        const due = later(created, 2, 21);
        const task = create("task", created, actor(owner), {
          ...to,
          description: random.pick(words.taskTexts),
          due_date: isoDay(due),
          assigned_to: random.chance(0.95) ? actor(owner) : null,
          status: "open",
        });
        entity.attached.push(task);
        if (random.chance(0.98)) {
          change(task, later(created, 1, Math.floor((due - created) / day) + 2), owner, {
            status: "closed",
          });
        }
      }
      if (random.chance(noteChance)) {
        const content = random.pick(words.noteTexts);
        const note = create("note", created, actor(owner), { ...to, content });
        entity.attached.push(note);
        if (random.chance(0.08)) {
          change(note, later(created, 1, 20), owner, {
            content: `${content}\n${random.pick(words.noteTexts)}`,
          });
        }
      }
    }
  }

  /** Plans a change, unless it is in the future. */
  function change(entity: Entity, at: number, user: string, patch: Row): void {
    if (at < until) entity.changes.push({ at, user, patch });
  }

  function planTrash(): void {
    const members = Map.groupBy(entities.contact, ({ row }) => row.company_id);
    const membersOf = (company: Entity) => members.get(company.id) ?? [];
    const isLinked = new Set(entities.deal.map(({ row }) => row.contact_id));
    const hasDeals = new Set(entities.deal.map(({ row }) => row.company_id));
    const isDuplicate = new Set([...duplicates, ...duplicateCompanies].flat());
    const kept = (entity: Entity) =>
      isDuplicate.has(entity) ||
      [entity, ...entity.attached].some((part) => lastOf(part).at > from);
    const from = until - (trashDays + 1) * day;
    const contacts = entities.contact.filter((one) => !isLinked.has(one.id) && !kept(one));
    const deals = entities.deal.filter((one) => !kept(one));
    const companies = entities.company.filter(
      (one) =>
        !hasDeals.has(one.id) &&
        !kept(one) &&
        membersOf(one).length > 0 &&
        membersOf(one).every((member) => lastOf(member).at < from),
    );

    for (const contact of someOf(contacts, trashed)) remove(contact);
    for (const deal of someOf(deals, Math.ceil(trashed * 0.6))) remove(deal);
    const whole = companies.filter((one) => membersOf(one).every((member) => lastOf(member).patch));
    for (const company of someOf(whole, Math.ceil(trashed * 0.1))) {
      const deletion = remove(company);
      for (const contact of membersOf(company)) {
        contact.changes.push({ ...deletion, patch: { company_id: null }, partOf: deletion });
      }
    }
    for (const list of [entities.task, entities.note]) {
      const single = list.filter((one) => lastOf(one).patch !== null && lastOf(one).at < from);
      for (const one of someOf(single, Math.ceil(trashed * 0.4))) remove(one);
    }
  }

  /** Deletes an entity, and with it what is attached to it. */
  function remove(entity: Entity): Change {
    const at = later(until - trashDays * day, 0, trashDays - 4);
    const deletion = { at, user: random.pick(words.users), patch: null };
    entity.changes.push(deletion);
    for (const part of entity.attached) part.changes.push({ ...deletion, partOf: deletion });
    return deletion;
  }

  /** Returns a number of different elements of a list, or a random number of them. */
  function someOf<Item>(items: readonly Item[], count = random.between(1, items.length)): Item[] {
    const rest = [...items];
    const taken: Item[] = [];
    while (taken.length < count && rest.length > 0) {
      const index = random.between(0, rest.length - 1);
      const last = rest.pop() as Item;
      taken.push(index === rest.length ? last : (rest[index] as Item));
      if (index < rest.length) rest[index] = last;
    }
    return taken;
  }
}

/** Returns the element at a place of a list that repeats without end. */
function repeated<Item>(items: readonly Item[], place: number): Item {
  return items[place % items.length] as Item;
}

/** Sorts the changes of an entity, and removes those that change nothing: the audit log has no entry for them. */
function settle({ row, changes }: Entity): void {
  changes.sort((one, other) => one.at - other.at);
  let present = row;
  const effective = changes.filter(({ patch }, index) => {
    const next = { ...present, ...patch };
    const isChange = index === 0 || JSON.stringify(next) !== JSON.stringify(present);
    present = next;
    return isChange;
  });
  changes.splice(0, changes.length, ...effective);
}

function lastOf({ changes: [first, ...others] }: Entity): Change {
  return others.at(-1) ?? first;
}

function startOfMonth(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

function isoDay(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
