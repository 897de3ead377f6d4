import type pg from "pg";

/** A table of schema `crm`, as in the catalog. */
export interface CatalogTable {
  name: string;
  comment: string;
  /** The entity type of its rows in the audit log. */
  entityType: string;
  searchable: boolean;
  columns: CatalogColumn[];
  rules: CatalogRule[];
  references: CatalogReference[];
}

/** A foreign key. */
export interface CatalogReference {
  column: string;
  /** The referenced table. */
  table: string;
  key: string;
  /** The comment of the constraint, with its smart tags. */
  comment: string | null;
}

export interface CatalogColumn {
  name: string;
  field: string;
  type: string;
  required: boolean;
  insertable: boolean;
  updatable: boolean;
  /** The SQL of the default; null if there is none, or clients may not insert the column. */
  defaultSql: string | null;
  comment: string;
}

export interface CatalogRule {
  constraint: string;
  kind: "check" | "reference" | "unique";
  field: string;
  message: string;
  condition: string;
}

/**
 * Reads the tables of schema `crm`, by name. The columns for search and duplicates are left out, because no
 * role may read them.
 *
 * Columns are insertable and updatable by the grants of `crm_admin`, the role with the most rights. The
 * entity type of a logged table is the argument of its stamp trigger.
 *
 * @param client a connection of the owner to a migrated database.
 */
export async function readTables(client: pg.ClientBase): Promise<CatalogTable[]> {
  const { rows } = await client.query<{ table: CatalogTable }>(`
    select json_build_object(
      'name', class.relname,
      'comment', obj_description(class.oid, 'pg_class'),
      'entityType', coalesce(
        (
          select split_part(encode(tgargs, 'escape'), '\\000', 1)
          from pg_trigger
          where tgrelid = class.oid and tgname = '_110_stamp_update'
        ),
        regexp_replace(class.relname, 's$', '')
      ),
      'searchable', exists (
        select from crm_private.entity_types
        where entity_table = class.oid and searched_by is not null
      ),
      'columns', (
        select json_agg(
          json_build_object(
            'name', attname,
            'field', crm_private.camel_case(attname),
            'type', format_type(atttypid, null),
            'required', attnotnull,
            'insertable', has_column_privilege('crm_admin', attrelid, attnum, 'insert'),
            'updatable', has_column_privilege('crm_admin', attrelid, attnum, 'update'),
            'defaultSql', case
              when has_column_privilege('crm_admin', attrelid, attnum, 'insert')
              then pg_get_expr(adbin, adrelid)
            end,
            'comment', col_description(attrelid, attnum)
          )
          order by attnum
        )
        from pg_attribute
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where attrelid = class.oid
          and attnum > 0
          and not attisdropped
          and attname <> all (crm_private.derived_columns())
      ),
      'rules', (
        select coalesce(
          json_agg(
            json_build_object(
              'constraint', constraint_name,
              'kind', kind,
              'field', field,
              'message', message,
              'condition', condition
            )
            order by ordinal, constraint_name
          ),
          '[]'
        )
        from crm_private.rules
        where table_oid = class.oid and kind <> 'required'
      ),
      'references', (
        select coalesce(
          json_agg(
            json_build_object(
              'column', local.attname,
              'table', other.relname,
              'key', remote.attname,
              'comment', obj_description(reference.oid, 'pg_constraint')
            )
            order by reference.conname
          ),
          '[]'
        )
        from pg_constraint as reference
        join pg_class as other on other.oid = reference.confrelid
        join pg_attribute as local
          on local.attrelid = reference.conrelid and local.attnum = reference.conkey[1]
        join pg_attribute as remote
          on remote.attrelid = reference.confrelid and remote.attnum = reference.confkey[1]
        where reference.contype = 'f'
          and reference.conrelid = class.oid
          and cardinality(reference.conkey) = 1
          and other.relnamespace = class.relnamespace
      )
    ) as table
    from pg_class as class
    where relnamespace = 'crm'::regnamespace and relkind in ('r', 'p')
    order by relname
  `);
  return rows.map((row) => row.table);
}

/** Returns the value of a constant SQL expression, as JSON. */
export async function evaluate(client: pg.ClientBase, sql: string): Promise<unknown> {
  const { rows } = await client.query<{ value: unknown }>(`select to_json(${sql}) as value`);
  return rows[0]?.value;
}

/** The database's definitions of white, hidden and unprintable characters, and of a legible name. */
export interface Characters {
  readonly white: string;
  readonly hidden: string;
  readonly unprintable: string;
  readonly legible: string;
}

/** Reads {@link Characters}: the contents of bracket expressions, and a pattern. */
export async function readCharacters(client: pg.ClientBase): Promise<Characters> {
  const { rows } = await client.query<Characters>(`
    select
      crm_private.white_characters() as white,
      crm_private.hidden_characters() as hidden,
      crm_private.unprintable_characters() as unprintable,
      crm_private.legible_pattern() as legible
  `);
  if (rows[0] === undefined) throw new TypeError("The statement returned no row.");
  return rows[0];
}

/** Returns a comment without its smart tags, the lines that begin with `@`. */
export function withoutTags(comment: string): string {
  return comment.replace(/^(@.*\n?)*/, "");
}

/** Returns the value of a smart tag in a comment; undefined if it does not have the tag. */
export function tagOf(comment: string | null, tag: string): string | undefined {
  return new RegExp(`^@${tag} (.*)$`, "m").exec(comment ?? "")?.[1];
}

/** Converts `custom_field_definition` to `CustomFieldDefinition`. */
export function pascalCase(name: string): string {
  return name.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
