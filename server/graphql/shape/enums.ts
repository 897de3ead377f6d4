import "postgraphile/graphile-build-pg";
import {
  enumCodec,
  listOfCodec,
  type PgClient,
  type PgCodec,
  type PgEnumCodec,
  TYPES,
  withPgClientFromPgService,
} from "postgraphile/@dataplan/pg";

/** A column or argument of a closed set of values, and where the database lists them. */
interface ClosedSet {
  readonly description: string;
  /** The columns and arguments of the set, by name. */
  readonly columns: readonly string[];
  /** The constraint that allows the values. Null for the entity types, which have a catalogue. */
  readonly constraint: string | null;
  /** The tables and types whose column it is, if others have another column of the name. */
  readonly owners?: readonly string[];
}

const closedSets: Record<string, ClosedSet> = {
  AuditAction: {
    description: "What an entry of the audit log says was done.",
    columns: ["action"],
    constraint: "audit_logs_action_known",
  },
  ChangeSource: {
    description: "The channel through which a change was made.",
    columns: ["source"],
    constraint: "audit_logs_source_known",
    owners: ["audit_logs", "field_value", "stage_history"],
  },
  CustomFieldType: {
    description: "The type of a custom field.",
    columns: ["field_type"],
    constraint: "custom_field_definitions_field_type_known",
  },
  EntityType: {
    description:
      "The type of an entity. Entries of the audit log that concern no row have setting or audit_log.",
    columns: ["entity_type", "entity_types"],
    constraint: null,
  },
  Role: {
    description: "The role of a token or API key.",
    columns: ["role"],
    constraint: "api_keys_role_known",
  },
  StageKind: {
    description: "What a stage says of its deals.",
    columns: ["kind"],
    constraint: "pipeline_stages_kind_known",
  },
  TaskStatus: {
    description: "Whether a task is done.",
    columns: ["status"],
    constraint: "tasks_status_known",
  },
};

/** The types of entries in the audit log that concern no row of a table; see `crm_private.log_event`. */
const typesWithoutRows = ["setting", "audit_log"];

/** The codecs of a service by the names of their enums. */
type Codecs = Readonly<Record<string, PgEnumCodec>>;

/** The values that a constraint allows. */
interface Allowed {
  readonly constraint: string | null;
  readonly values: string[];
}

interface State {
  readonly codecs: Map<string, Codecs>;
}

/** What a hook of this plugin is given while the database is read. */
interface Gathering {
  readonly state: State;
  readonly resolvedPreset: GraphileConfig.ResolvedPreset;
}

/**
 * Makes columns and arguments with a closed set of values enums. The values are those that the database
 * allows: its constraints and the catalogue of entity types, which an application may extend.
 */
export const EnumsPlugin: GraphileConfig.Plugin = {
  name: "CrmEnumsPlugin",
  version: "1.0.0",
  description: "Makes columns and arguments with a closed set of values enums.",
  gather: {
    // State needs a namespace, of which the library knows only those with helpers.
    namespace: "crmEnums" as never,
    initialState: (): State => ({ codecs: new Map() }),
    hooks: {
      async pgIntrospection_introspection(info, { serviceName }) {
        const { state, resolvedPreset } = info as unknown as Gathering;
        const service = resolvedPreset.pgServices?.find(({ name }) => name === serviceName);
        if (service === undefined) return;
        const { rows } = await withPgClientFromPgService(
          service as never,
          { role: "crm_reader" },
          (client: PgClient) => client.query<Allowed>({ text: allowed }),
        );
        const valuesOf = new Map(rows.map(({ constraint, values }) => [constraint, values]));
        const codecs = Object.entries(closedSets).map(([name, { description, constraint }]) => {
          const values = valuesOf.get(constraint) ?? [];
          return [
            name,
            enumCodec({
              name,
              identifier: TYPES.text.sqlType,
              description,
              values: constraint === null ? [...values, ...typesWithoutRows] : values,
              extensions: { tags: { name } },
            }),
          ] as const;
        });
        state.codecs.set(serviceName, Object.fromEntries(codecs));
      },

      pgCodecs_attribute(info, { attribute, pgAttribute, pgClass, serviceName }) {
        const codec = attribute.codec as PgCodec;
        const enums = enumsOf(info, serviceName);
        attribute.codec = replaced(enums, codec, pgAttribute.attname, pgClass.relname);
      },

      pgProcedures_PgResourceOptions(info, { resourceOptions, serviceName }) {
        for (const parameter of resourceOptions.parameters ?? []) {
          parameter.codec = replaced(enumsOf(info, serviceName), parameter.codec, parameter.name);
        }
      },
    },
  },
  schema: {
    entityBehavior: {
      pgCodecAttribute: {
        inferred: {
          after: ["default"],
          // The library has no orders by enums.
          callback: (behavior, [codec, attributeName]) =>
            isEnum(codec.attributes[attributeName]?.codec)
              ? [behavior, "attribute:orderBy"]
              : behavior,
        },
      },
    },
    hooks: {
      GraphQLInputObjectType_fields(fields, _build, { scope }) {
        const { pgConnectionFilterOperators } = scope;
        const isOfEnum = pgConnectionFilterOperators?.pgCodecs.some(isEnum) ?? false;
        if (!isOfEnum) return fields;
        return Object.fromEntries(Object.entries(fields).filter(([name]) => operators.has(name)));
      },
    },
  },
};

/** Returns the codecs that a hook of this plugin has while the database is read. */
function enumsOf(info: object, serviceName: string): Codecs | undefined {
  return (info as Gathering).state.codecs.get(serviceName);
}

/** The operators of filters on an enum. Its values have no order. */
const operators = new Set(["equalTo", "notEqualTo", "in", "notIn", "isNull"]);

/** Returns whether a codec is one of this plugin. */
function isEnum(codec: PgCodec | undefined): boolean {
  return codec !== undefined && codec.name in closedSets;
}

/** Returns the codec of the enum for a text column or argument that has one, otherwise the given codec. */
function replaced(
  codecs: Codecs | undefined,
  codec: PgCodec,
  column: string | null,
  owner?: string,
): PgCodec {
  const isList = codec.arrayOfCodec === TYPES.text;
  const found = Object.entries(closedSets).find(
    ([, { columns, owners }]) =>
      column !== null &&
      columns.includes(column) &&
      (owners === undefined || (owner !== undefined && owners.includes(owner))),
  );
  const enumeration = found && codecs?.[found[0]];
  if (enumeration === undefined || !(isList || codec === TYPES.text)) return codec;
  return isList ? listOfCodec(enumeration) : enumeration;
}

/** The values that the database allows, by constraint, and the entity types. */
const allowed = `
  select conname as constraint,
    array(
      select value[1]
      from regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''::text', 'g') as value
    ) as values
  from pg_constraint
  where connamespace = 'crm'::regnamespace
    and right(conname, 6) = '_known'
  union all
  select null, array(select entity_type from crm_private.entity_types order by entity_type)`;
