/**
 * Measures a search among 1,000,000 contacts, 200,000 notes and 20,000 companies, relative to reading one
 * contact by its primary key. The two alternate over one connection, with the rights of a reader. A number
 * after the name on the command line sets another number of contacts.
 */
import type pg from "pg";

import { median, milliseconds, printRatio, withBenchDatabase } from "./harness.ts";

const contacts = Number(process.argv[3] ?? 1_000_000);
const rounds = 15;

/** The queries by kind. The documented promise applies to the first kind. */
const queries: Readonly<Record<string, readonly string[]>> = {
  "two words": [
    "john smith",
    "mary garcia",
    "linda ross",
    "susan berenson",
    "zoe muller",
    "robert calaley",
    "kara brown",
    "mini ottonski",
    "david williams",
    "nora ivenberg",
  ],
  "a common name": ["john", "smith"],
  "a name while it is typed": ["s", "sm", "smi", "john s", "john smi"],
  "typing errors": ["jonh smiht", "elizabteh garcai", "robret wiliams"],
  "a phone number": ["1885178", "4930 1885"],
  "a word in every second row": ["com"],
};

/** Names distributed like real ones: a few are common, most are rare. */
const fill = `
  set session_replication_role = replica;

  create temp table firsts as
    select row_number() over (order by common desc, name) - 1 as n, name
    from (
      select true as common, unnest(string_to_array(
        'James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara '
        'Richard Susan Joseph Jessica Thomas Sarah Charles Karen Jürgen José François Zoë Søren', ' '
      )) as name
      union all
      select false, initcap(a || b || c)
      from unnest('{ka,mi,lo,sa,ne,ro,vi,da,jo,an,el,be,fa,gu,hi}'::text[]) as a
      cross join unnest('{ra,ni,le,sto,bri,mel,ton,vi,den,ga,shu,ri,lan,po}'::text[]) as b
      cross join unnest('{a,ne,l,s,na,ta,us,o,dra,my,ke,lia,rd}'::text[]) as c
    ) as names;

  create temp table lasts as
    select row_number() over (order by common desc, name) - 1 as n, name
    from (
      select true as common, unnest(string_to_array(
        'Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez '
        'Wilson Anderson Taylor Moore Jackson Lee Thompson White Müller Núñez O''Brien Åkesson Rossi',
        ' '
      )) as name
      union all
      select false, a || b || c
      from unnest('{Ab,Ber,Cal,Dor,Eng,Fal,Gar,Hol,Iv,Jen,Kel,Lam,Mar,Nor,Ott,Pel,Ros}'::text[]) as a
      cross join unnest('{a,en,i,o,er,and,in,el,ov,ar,it,un,is,em,ol,at,or,ut,im,ay}'::text[]) as b
      cross join unnest(
        '{son,man,berg,ski,ez,ton,er,le,ford,well,by,sen,ini,ard,ova,wood,ley,more,ke,strom}'::text[]
      ) as c
    ) as names;

  create index on firsts (n);
  create index on lasts (n);
  analyze firsts, lasts;

  insert into crm.companies (name, address)
  select
    first.name || ' & ' || last.name || ' Ltd',
    jsonb_build_object('street', i || ' Main Street', 'city', 'London')
  from generate_series(1, 20000) as i
  join firsts as first on first.n = i % 2000
  join lasts as last on last.n = i % 6000;

  insert into crm.contacts (first_name, last_name, emails, phones)
  select
    first.name,
    last.name,
    array[
      translate(crm_private.fold(first.name || '.' || last.name), '''', '') || i % 100 || '@example'
      || i % 20000 || case when i % 2 = 0 then '.com' else '.co.uk' end
    ],
    array['+49 (30) ' || (1000000 + i * 7::bigint) % 9999999 || '-' || i % 10]
  from (
    select i, floor(2700 * power(random(), 3.5)) as first, floor(6800 * power(random(), 3.5)) as last
    from generate_series(1, ${contacts}) as i
  ) as drawn
  join firsts as first on first.n = drawn.first
  join lasts as last on last.n = drawn.last;

  insert into crm.notes (content, entity_type, entity_id)
  select 'Met ' || first_name || ' at the fair; wants to hear from us by next month.', 'contact', id
  from crm.contacts
  limit ${Math.floor(contacts / 5)};

  reset session_replication_role;`;

/** Fills large tables before their indexes are created, which is faster. */
async function fillBeforeIndexes(client: pg.Client): Promise<void> {
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index
     where indrelid in ('crm.contacts'::regclass, 'crm.notes'::regclass) and not indisprimary`,
  );
  await client.query("set maintenance_work_mem = '512MB'");
  await client.query(`drop index ${indexes.map(({ name }) => name).join(", ")}`);
  await client.query(fill);
  for (const { definition } of indexes) await client.query(definition);
  await client.query("vacuum analyze");
}

await withBenchDatabase(async (client) => {
  await fillBeforeIndexes(client);
  const { rows: ids } = await client.query<{ id: string }>(
    "select id from crm.contacts order by md5(id::text) limit 100",
  );
  await client.query("set role crm_reader");

  const byKey: number[] = [];
  const searches = new Map<string, number[]>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const [kind, texts] of Object.entries(queries)) {
      const times = searches.get(kind) ?? [];
      searches.set(kind, times);
      for (const text of texts) {
        const id = ids[(round * 7 + byKey.length) % ids.length]?.id;
        const read = await milliseconds(() =>
          client.query({
            name: "read",
            text: "select * from crm.contacts where id = $1",
            values: [id],
          }),
        );
        const search = await milliseconds(() =>
          client.query({
            name: "search",
            text: "select * from crm.search($1, first => 20)",
            values: [text],
          }),
        );
        if (round === 0) continue; // warms the caches
        byKey.push(read);
        times.push(search);
      }
    }
  }
  printRatio(`A search among ${contacts} contacts, medians`, [
    { name: "a contact by its primary key", milliseconds: median(byKey) },
    ...[...searches].map(([kind, times]) => ({ name: kind, milliseconds: median(times) })),
  ]);
});
