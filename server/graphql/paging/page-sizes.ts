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
 * A list never comes whole by oversight: where neither `first` nor `last` says how many rows it
 * has, it has `defaultPageSize` at most, or `innerPageSize` in the rows of another list, and SQL is
 * told so. `totalCount` and aggregates are still over all rows.
 *
 * Groups cannot be paged, so more of them than a page may have are refused rather than cut.
 */
export function createPageSizesPlugin(limits: Limits): GraphileConfig.Plugin {
  return {
    name: "CrmPageSizesPlugin",
    version: "1.0.0",
    description: "Gives every list a size where the client gives none.",
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

/** Groups come in the order of their keys. */
function orderGroups($groups: PgSelectStep, args: FieldArgs, { field }: FieldInfo): void {
  const groupBy = field.args.find(({ name }) => name === "groupBy");
  if (groupBy === undefined) throw new Error(`${field.name} has no groups`);
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
    // Told of it, the connection itself would read the rows even where nobody asks for them.
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

/** Where a step is executed; a part of Grafast that its types leave out. */
interface Layer {
  readonly reason: { readonly type: string; readonly parentLayerPlan?: Layer };
}

/** Whether a list belongs to the rows of another one. */
function isInList($list: Step): boolean {
  let layer: Layer | undefined = ($list as unknown as { layerPlan: Layer }).layerPlan;
  while (layer !== undefined && layer.reason.type !== "listItem") {
    layer = layer.reason.parentLayerPlan;
  }
  return layer !== undefined;
}

/** What a client gives as `first` or `last`. */
type Size = number | null | undefined;

function isAbsent($step: Step): boolean {
  return $step instanceof ConstantStep && $step.data === undefined;
}

/** A list that is refused when it is longer than a page may be. */
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
