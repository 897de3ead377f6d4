import type pg from "pg";

import { code, escapeTags, table, withoutTags } from "./markdown.ts";

interface SqlFunction {
  name: string;
  arguments: string;
  result: string;
  comment: string | null;
  roles: string[];
}

const roles = ["crm_reader", "crm_member", "crm_admin", "crm_server", "crm_reporter"];

/** Reads the functions of a schema that a role may call, ordered by name. */
async function readFunctions(client: pg.ClientBase, schema: string): Promise<SqlFunction[]> {
  const { rows } = await client.query<SqlFunction>(
    `select
       proc.proname as name,
       pg_get_function_arguments(proc.oid) as arguments,
       pg_get_function_result(proc.oid) as result,
       obj_description(proc.oid, 'pg_proc') as comment,
       callers.roles
     from pg_proc as proc
     cross join lateral (
       select array(
         select role.name
         from unnest($2::text[]) with ordinality as role (name, ordinal)
         where has_function_privilege(role.name, proc.oid, 'execute')
         order by role.ordinal
       ) as roles
     ) as callers
     where proc.pronamespace = $1::regnamespace and callers.roles <> '{}'
     order by proc.proname collate "C"`,
    [schema, roles],
  );
  return rows;
}

/** Renders the functions of `crm` with their arguments, results and allowed roles. */
export async function renderFunctions(client: pg.ClientBase): Promise<string> {
  const functions = await readFunctions(client, "crm");
  return functions
    .map((each) =>
      [
        `### ${code(each.name)}`,
        escapeTags(withoutTags(each.comment)),
        `\`\`\`\ncrm.${each.name}(${each.arguments})\nreturns ${each.result}\n\`\`\``,
        `Called by ${code(...each.roles)}.`,
      ]
        .filter((part) => part !== "")
        .join("\n\n"),
    )
    .join("\n\n");
}

/** Renders the internal functions that a role may execute. */
export async function renderPrivateFunctions(client: pg.ClientBase): Promise<string> {
  const functions = await readFunctions(client, "crm_private");
  return table(
    ["Function", "Roles"],
    functions.map((each) => [code(`crm_private.${each.name}`), code(...each.roles)]),
  );
}
