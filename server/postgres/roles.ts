import type pg from "pg";

import { Problem } from "../errors/problem.ts";

/** The roles that the first migration creates if they are missing, with their options. */
const roles: Readonly<Record<string, string>> = {
  crm_reader: "nologin",
  crm_member: "nologin",
  crm_admin: "nologin",
  crm_server: "login noinherit password '…'",
  crm_reporter: "login",
};

/** The memberships between the roles. */
const memberships: readonly (readonly [role: string, member: string])[] = [
  ["crm_reader", "crm_member"],
  ["crm_member", "crm_admin"],
  ["crm_reader", "crm_server"],
  ["crm_member", "crm_server"],
  ["crm_admin", "crm_server"],
];

/**
 * Refuses to migrate if roles are missing that the owner may not create, before any change.
 *
 * @param owner a connection of the database owner.
 * @throws {Problem} with the statements that create the roles.
 */
export async function refuseMissingRoles(owner: pg.ClientBase): Promise<void> {
  const { rows } = await owner.query<{ mayCreate: boolean; present: string[]; granted: string[] }>(
    `select rolsuper or rolcreaterole as "mayCreate",
       array(
         select rolname::text from pg_roles where rolname = any ($1::text[])
       ) as present,
       array(
         select roleid::regrole || ' ' || member::regrole from pg_auth_members
       ) as granted
     from pg_roles
     where rolname = current_user`,
    [Object.keys(roles)],
  );
  const [found] = rows;
  if (found === undefined || found.mayCreate) return;
  const statements = [
    ...Object.entries(roles)
      .filter(([role]) => !found.present.includes(role))
      .map(([role, options]) => `create role ${role} ${options};`),
    ...(found.present.includes("crm_reporter")
      ? []
      : ["alter role crm_reporter set default_transaction_read_only = on;"]),
    ...memberships
      .filter(([role, member]) => !found.granted.includes(`${role} ${member}`))
      .map(([role, member]) => `grant ${role} to ${member};`),
  ];
  if (statements.length === 0) return;
  throw new Problem(
    [
      "The owner of the database may not create roles. Have a superuser run these statements in the cluster,",
      "with the password of crm_server that is in SERVER_DATABASE_URL. Then migrate again:",
      ...statements.map((statement) => `  ${statement}`),
    ].join("\n"),
  );
}
