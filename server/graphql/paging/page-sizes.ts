import {
  constant,
  ConstantStep,
  lambda,
  Step,
  type ConnectionStep,
  type ExecutionDetails,
  type FieldArgs,
  type FieldInfo,
} from "postgraphile/grafast";
import { getNamedType, type GraphQLEnumType } from "graphql";
import { TYPES, type PgSelectRowsStep, type PgSelectStep } from "postgraphile/@dataplan/pg";

import { hold, pageSizeOf, type Limits } from "../limits/limits.ts";
import { groupOrder } from "./group-orders.ts";

/**
 * Limits every list: without `first` and `last` it has at most `defaultPageSize` rows, or `innerPageSize`
 * inside another list. The limit is part of the SQL. `totalCount` and aggregates still cover all rows.
 *
 * Groups have no pages: too many of them are an error, since a cut list would be wrong.
 */
export function createPageSizesPlugin(limits: Limits): GraphileConfig.Plugin {
  return {
    name: "CrmPageSizesPlugin",
    version: "1.0.0",
    description: "Sets the size of lists for which the client sets none.",
    schema: {
      hooks: {
        GraphQLObjectType_fields_field_args_arg(arg, _build, { scope }) {
          // The plan of the field applies it, because the default depends on `last`, too.
          return scope.isPgFieldConnection && scope.argName === "first"
            ? { ...arg, applyPlan: undefined }
            : arg;
        },
        GraphQLObjectType_fields_field(field, _build, { scope }) {
          const { plan } = field;
          if (plan === undefined) return field;
          if (scope.isPgFieldConnection) {
            return {
              ...field,
              plan($parent, args, info) {
                const $connection = plan($parent, args, info) as ConnectionStep<unknown>;
                applyFirst($connection, args, info, limits);
                return $connection;
              },
            };
          }
          if (scope.fieldName !== groupsField) return field;
          return {
            ...field,
            plan($parent, args, info) {
              const $groups = plan($parent, args, info) as PgSelectStep;
              args.autoApply($groups);
              orderGroups($groups, args, info);
              $groups.setFirst(constant(limits.groups + 1));
              return new CappedListStep($groups.items(), limits);
            },
          };
        },
      },
    },
  };
}

const groupsField = "groupedAggregates";

/** Orders groups by their keys. */
function orderGroups($groups: PgSelectStep, args: FieldArgs, { field }: FieldInfo): void {
  const groupBy = field.args.find(({ name }) => name === "groupBy");
  if (groupBy === undefined) throw new Error(`${field.name} has no argument groupBy`);
  const type = getNamedType(groupBy.type) as GraphQLEnumType;
  const $names = args.getRaw("groupBy");
  const inOrder = (names: readonly string[]) => groupOrder(type, names, $groups.alias);
  const fragment = $groups.deferredSQL(lambda($names, inOrder));
  $groups.orderBy({ fragment, codec: TYPES.text, direction: "ASC" });
}

function applyFirst(
  $connection: ConnectionStep<unknown>,
  args: FieldArgs,
  { field }: FieldInfo,
  limits: Limits,
): void {
  const size = pageSizeOf(limits, isInList($connection) ? 1 : 0);
  const hasLast = field.args.some(({ name }) => name === "last");
  const $first = args.getRaw("first");
  const $last = hasLast ? args.getRaw("last") : constant(undefined);
  if (isAbsent($first) && isAbsent($last)) {
    // With `first` set, the connection would read the rows even if none are selected.
    const $rows = $connection.getSubplan() as PgSelectStep;
    $rows.setFirst(constant(size));
    return;
  }
  const $either = lambda(
    [$first, $last] as const,
    ([first, last]: readonly [Size, Size]): Size => first ?? (last == null ? size : null),
    true,
  );
  $connection.setFirst($either);
}

/** The layer of a step; a part of Grafast that its types omit. */
interface Layer {
  readonly reason: { readonly type: string; readonly parentLayerPlan?: Layer };
}

/** Returns whether a list is inside another list. */
function isInList($list: Step): boolean {
  let layer: Layer | undefined = ($list as unknown as { layerPlan: Layer }).layerPlan;
  while (layer !== undefined && layer.reason.type !== "listItem") {
    layer = layer.reason.parentLayerPlan;
  }
  return layer !== undefined;
}

/** A value of `first` or `last`. */
type Size = number | null | undefined;

function isAbsent($step: Step): boolean {
  return $step instanceof ConstantStep && $step.data === undefined;
}

/** A list of groups. Raises an error if there are too many. */
class CappedListStep extends Step {
  static override $$export = { moduleName: "pgcrm", exportName: "CappedListStep" };
  override isSyncAndSafe = false;
  readonly #limits: Limits;

  constructor($list: PgSelectRowsStep, limits: Limits) {
    super();
    this.#limits = limits;
    this.addDependency($list);
  }

  listItem($item: Step): Step {
    const $list = this.getDepOptions<PgSelectRowsStep>(0).step;
    return $list.listItem($item);
  }

  override execute({ indexMap, values: [lists] }: ExecutionDetails) {
    return indexMap((index) => {
      const list = lists?.at(index) as readonly unknown[] | null;
      if (list) hold(this.#limits, "groups", list.length);
      return list;
    });
  }
}
