import { setImmediate as nextTurn } from "node:timers/promises";

import {
  GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isUnionType,
  specifiedDirectives,
  validateSchema,
  type GraphQLError,
  type GraphQLNamedType,
} from "graphql";
import { makeSchema } from "postgraphile";
import { buildInflection, gather, getBuilder } from "postgraphile/graphile-build";

/** Builds the GraphQL schema of a preset. */
export type MakeSchema = (preset: GraphileConfig.Preset) => Promise<GraphQLSchema>;

/** The longest time between pauses for other work, in milliseconds. */
const slice = 20;

/** The number of attempts to determine the types without fields. */
const maxRounds = 10;

/**
 * Returns a function that builds schemas one after the other. The first is built at once; all others are
 * built in slices, between which requests are served.
 *
 * The library builds the fields of a type to determine whether it has any, and with them the fields of
 * their types, and so all types without a pause. Here a type counts as one with fields until they are built.
 * The types without fields are those of the previous schema; if they have changed, all types are built again.
 */
export function createMakeSchema(): MakeSchema {
  let known: Known | undefined;

  return async (preset) => {
    if (known === undefined) {
      let found: ReadonlySet<string> = new Set();
      const { schema } = await makeSchema({
        extends: [preset],
        plugins: [createObserver((names) => (found = names))],
      });
      known = { schema, without: found };
    } else {
      known = await makeInSlices(preset, known, createPacer());
    }
    return known.schema;
  };
}

/** A schema that was built. */
interface Known {
  readonly schema: GraphQLSchema;
  /** The names of the types that were left out because they have no fields. */
  readonly without: ReadonlySet<string>;
}

type Pause = () => Promise<void>;

/** Creates the pauses: each waits for other work if the slice is over. They resolve in order. */
function createPacer(): Pause {
  let begin = performance.now();
  let queue = Promise.resolve();
  const wait = async (): Promise<void> => {
    if (performance.now() - begin < slice) return;
    await nextTurn();
    begin = performance.now();
  };
  return () => (queue = queue.then(wait));
}

/** Creates a plugin that reports the types that were left out because they have no fields. */
function createObserver(tell: (names: ReadonlySet<string>) => void): GraphileConfig.Plugin {
  return {
    name: "CrmSchemaObserverPlugin",
    version: "1.0.0",
    schema: {
      hooks: {
        finalize(schema, build) {
          const types = Object.entries(build.getAllTypes());
          tell(new Set(types.flatMap(([name, type]) => (type === null ? [name] : []))));
          return schema;
        },
      },
    },
  };
}

type Builder = ReturnType<typeof getBuilder>;
type Build = ReturnType<Builder["createBuild"]>;

async function makeInSlices(
  preset: GraphileConfig.Preset,
  known: Known,
  pause: Pause,
): Promise<Known> {
  // Inflection depends on the options of all extended presets.
  const patient = { extends: [preset], plugins: [createGatherPauses(pause)] };
  const { resolvedPreset } = getBuilder(patient);
  await pause();
  const inflection = buildInflection(resolvedPreset);
  await pause();
  const input = await gather(resolvedPreset, { inflection });
  await pause();

  let { without } = known;
  for (let round = 1; round <= maxRounds; round += 1) {
    const types = createTypes(without);
    const builder = getBuilder({ extends: [preset], plugins: [types.plugin] }, inflection);
    types.makeWith(builder);
    await pause();
    const build = builder.createBuild(input);
    await pause();
    await init(builder, build, pause);
    // A field with an order reads the values of its enum, and Query has many of these fields.
    for (const { name } of Object.values(known.schema.getTypeMap()).filter(isEnumType)) {
      const type: unknown = build.getTypeByName(name);
      if (isEnumType(type)) type.getValues();
      await pause();
    }
    for (const root of ["Query", "Mutation", "Subscription"] as const) {
      build.getTypeByName(build.inflection.builtin(root));
    }
    await types.complete(pause);
    const schema = finish(builder, build);
    await types.complete(pause);
    const found = types.without();
    if (isSame(found, without)) {
      await validate(schema, pause);
      return { schema, without };
    }
    without = found;
    await pause();
  }
  throw new Error("The types without fields could not be determined");
}

/** Adds pauses to the gather phase, whose promises never wait for I/O. */
function createGatherPauses(pause: Pause): GraphileConfig.Plugin {
  const hook = async (): Promise<void> => pause();
  return {
    name: "CrmGatherPausesPlugin",
    version: "1.0.0",
    gather: {
      hooks: {
        pgIntrospection_class: hook,
        pgIntrospection_attribute: hook,
        pgIntrospection_proc: hook,
        pgIntrospection_type: hook,
        pgIntrospection_constraint: hook,
        pgCodecs_attribute: hook,
        pgCodecs_PgCodec: hook,
        pgCodecs_findPgCodec: hook,
        pgProcedures_PgResourceOptions: hook,
        pgTables_PgResourceOptions: hook,
        pgTables_unique: hook,
        pgRelations_relation: hook,
        pgRegistry_PgRegistryBuilder_pgResources: hook,
        pgRegistry_PgRegistryBuilder_pgRelations: hook,
        pgRegistry_PgRegistryBuilder_finalize: hook,
      },
    },
  };
}

/** Creates a plugin that builds types on request, and their fields later. */
function createTypes(assumed: ReadonlySet<string>) {
  const waiting = new Set<GraphQLNamedType>();
  const empty = new Set<string>();
  const building = new Set<string>();
  let make: Builder["newWithHooks"] | undefined;

  const plugin: GraphileConfig.Plugin = {
    name: "CrmTypesInSlicesPlugin",
    version: "1.0.0",
    schema: {
      hooks: {
        build(build) {
          const usual = build.getTypeByName;
          build.getTypeByName = function (typeName) {
            const types = build.getAllTypes();
            if (!build.status.isInitPhaseComplete || typeName in types) {
              return usual.call(build, typeName);
            }
            const details = build.getTypeMetaByName(typeName);
            // The original function handles unregistered and circular types.
            if (details === null || make === undefined || building.has(typeName)) {
              return usual.call(build, typeName);
            }
            building.add(typeName);
            try {
              const { Constructor, scope, specGenerator } = details;
              const spec = { ...(specGenerator as () => object)(), name: typeName };
              const type = make(build as Build, Constructor, spec, scope as never);
              waiting.add(type);
              return (types[typeName] = assumed.has(typeName) ? null : type);
            } finally {
              building.delete(typeName);
            }
          } as typeof usual;
          return build;
        },
      },
    },
  };

  return {
    plugin,
    /** Sets the builder of types. */
    makeWith(given: Builder): void {
      make = given.newWithHooks;
    },
    /** Builds the fields of all types, and of the types of these fields. */
    async complete(pause: Pause): Promise<void> {
      for (const type of waiting) {
        waiting.delete(type);
        if (hasNothing(type)) empty.add(type.name);
        await pause();
      }
    },
    /** The types that have no fields. */
    without: (): ReadonlySet<string> => empty,
  };
}

/** Returns whether a type that requires fields, or values, has none. */
function hasNothing(type: GraphQLNamedType): boolean {
  if (isObjectType(type) || isInterfaceType(type)) type.getInterfaces();
  if (isUnionType(type)) type.getTypes();
  if (isEnumType(type)) return type.getValues().length === 0;
  if (!isObjectType(type) && !isInputObjectType(type) && !isInterfaceType(type)) return false;
  const isEmpty = Object.keys(type.getFields()).length === 0;
  return isEmpty && !isInterfaceType(type);
}

/** Runs the init hooks, in which plugins register types, with pauses. */
async function init(builder: Builder, build: Build, pause: Pause): Promise<void> {
  const hooks = builder.hooks.init;
  for (const hook of hooks) {
    builder.hooks.init = [hook];
    builder.applyHooks("init", {}, build, { scope: {}, type: "init" });
    await pause();
  }
  builder.hooks.init = [];
  builder.initBuild(build);
  builder.hooks.init = hooks;
}

/** Assembles the schema. Its types are built, so this is fast. */
function finish(builder: Builder, build: Build): GraphQLSchema {
  const schema = builder.newWithHooks(
    build,
    GraphQLSchema,
    { directives: [...specifiedDirectives] },
    {},
  );
  return builder.applyHooks("finalize", schema, build, { scope: {}, type: "finalize" });
}

/**
 * Validates a schema, some types at a time.
 *
 * @throws {AggregateError} with all faults.
 */
async function validate(schema: GraphQLSchema, pause: Pause): Promise<void> {
  const faults: GraphQLError[] = [];
  const types = Object.entries(schema.getTypeMap());
  for (let begin = 0; begin < types.length; begin += typesAtOnce) {
    const part = Object.fromEntries(types.slice(begin, begin + typesAtOnce));
    // The same schema, but only with the types that are validated now.
    const view = Object.create(schema, {
      getTypeMap: { value: () => part },
      __validationErrors: { value: undefined, writable: true },
    }) as GraphQLSchema;
    faults.push(...validateSchema(view));
    await pause();
  }
  if (faults.length > 0) throw new AggregateError(faults, String(faults[0]));
  // Prevents another validation by the server.
  (schema as unknown as { __validationErrors: unknown[] }).__validationErrors = [];
}

const typesAtOnce = 20;

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name));
}
