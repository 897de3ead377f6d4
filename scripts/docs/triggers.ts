import type pg from "pg";

import { code, table } from "./markdown.ts";

interface Trigger {
  name: string;
  timing: string;
  events: string[];
  level: string;
  conditional: boolean;
  function: string;
  description: string;
  tables: string[];
}

/** Renders all triggers, in the order of their phases. */
export async function renderTriggers(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<Trigger>(
    `select
       listed.name, listed.timing, listed.events, listed.level, listed.conditional,
       listed.function, listed.description,
       array_agg(listed.table order by listed.table collate "C") as tables
     from (
       select
         trg.tgname as name,
         case when trg.tgtype & 2 <> 0 then 'before' else 'after' end as timing,
         array_remove(
           array[
             case when trg.tgtype & 4 <> 0 then 'insert' end,
             case when trg.tgtype & 16 <> 0 then 'update' end,
             case when trg.tgtype & 8 <> 0 then 'delete' end,
             case when trg.tgtype & 32 <> 0 then 'truncate' end
           ],
           null
         ) as events,
         case when trg.tgtype & 1 <> 0 then 'row' else 'statement' end as level,
         trg.tgqual is not null as conditional,
         -- The name of a function that is compiled for a table contains the name of the table.
         replace(trg.tgfoid::regproc::text, '.' || class.relname || '_', '.<table>_') as function,
         coalesce(obj_description(trg.tgfoid, 'pg_proc'), '') as description,
         class.relname::text as table
       from pg_trigger as trg
       join pg_class as class on class.oid = trg.tgrelid
       join pg_namespace as namespace on namespace.oid = class.relnamespace
       where namespace.nspname in ('crm', 'crm_private', 'reporting')
         and not trg.tgisinternal
         and not class.relispartition
     ) as listed
     group by
       listed.name, listed.timing, listed.events, listed.level, listed.conditional,
       listed.function, listed.description
     order by listed.name collate "C", listed.function collate "C"`,
  );

  return table(
    ["Trigger", "Fires", "For each", "Tables", "Function", "Description"],
    rows.map((trigger) => [
      code(trigger.name),
      `${trigger.timing} ${trigger.events.join(", ")}`,
      trigger.conditional ? `${trigger.level}, conditional` : trigger.level,
      code(...trigger.tables),
      code(trigger.function),
      trigger.description,
    ]),
  );
}
