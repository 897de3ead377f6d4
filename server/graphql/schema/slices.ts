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

/** Makes the API of a preset. */
export type MakeSchema = (preset: GraphileConfig.Preset) => Promise<GraphQLSchema>;

/** How long a slice may take before others have their turn, in milliseconds. */
const slice = 20;

/** How often the types without fields are guessed anew. */
const maxRounds = 10;

/**
 * Makes schemas one after the other. The first one comes at once; all others are made in slices, between
 * which requests are served.
 *
 * What makes a schema takes a type's fields to find out whether it has any, and with them those of the
 * types that they lead to, and so all of them in one go. Here a type counts as one with fields, until it
 * is its turn. Which have none is known of the schema before; where it is not so any more, the types are
 * made once more.
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

/** A schema that was made. */
interface Known {
  readonly schema: GraphQLSchema;
  /** The types that it does not have because they have no fields. */
  readonly without: ReadonlySet<string>;
}

type Pause = () => Promise<void>;

/** Lets others have their turn when a slice is over; what goes on is one after the other, in order. */
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

/** Tells which types of a schema that was made have been left out, because they have no fields. */
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
  // Names are told by what is set in all that the preset extends.
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
    // A field with an order asks for its values, and Query has many of these.
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
  throw new Error("Which types have fields cannot be told");
}

/** Gathering is one promise after the other, and none of them waits for anything. */
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

/** Makes types as they are asked for, and their fields later. */
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
            // One that nobody registered, or one that goes round in circles, is told as usual.
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
    /** Tells what makes a type. */
    makeWith(given: Builder): void {
      make = given.newWithHooks;
    },
    /** Makes the fields of all types, and those of the types that they lead to. */
    async complete(pause: Pause): Promise<void> {
      for (const type of waiting) {
        waiting.delete(type);
        if (hasNothing(type)) empty.add(type.name);
        await pause();
      }
    },
    /** Which types have turned out to have no fields. */
    without: (): ReadonlySet<string> => empty,
  };
}

/** Whether a type that has to have fields, or values, has none. */
function hasNothing(type: GraphQLNamedType): boolean {
  if (isObjectType(type) || isInterfaceType(type)) type.getInterfaces();
  if (isUnionType(type)) type.getTypes();
  if (isEnumType(type)) return type.getValues().length === 0;
  if (!isObjectType(type) && !isInputObjectType(type) && !isInterfaceType(type)) return false;
  const isEmpty = Object.keys(type.getFields()).length === 0;
  return isEmpty && !isInterfaceType(type);
}

/** Lets the plugins register their types, one plugin after the other. */
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

/** Puts the types together. They have been made, so this does not take long. */
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
 * Validates some types of a schema after the other.
 *
 * @throws {AggregateError} with all that is not valid.
 */
async function validate(schema: GraphQLSchema, pause: Pause): Promise<void> {
  const faults: GraphQLError[] = [];
  const types = Object.entries(schema.getTypeMap());
  for (let begin = 0; begin < types.length; begin += typesAtOnce) {
    const part = Object.fromEntries(types.slice(begin, begin + typesAtOnce));
    // The same schema in all but the types that are looked at.
    const view = Object.create(schema, {
      getTypeMap: { value: () => part },
      __validationErrors: { value: undefined, writable: true },
    }) as GraphQLSchema;
    faults.push(...validateSchema(view));
    await pause();
  }
  if (faults.length > 0) throw new AggregateError(faults, String(faults[0]));
  // What serves it would ask once more.
  (schema as unknown as { __validationErrors: unknown[] }).__validationErrors = [];
}

const typesAtOnce = 20;

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name));
}
