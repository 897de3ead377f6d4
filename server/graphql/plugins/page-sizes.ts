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
import type { PgSelectRowsStep, PgSelectStep } from "postgraphile/@dataplan/pg";

import { hold, type Limits } from "../limits/limits.ts";

/**
 * A list never comes whole by oversight: where neither `first` nor `last` says how many rows it
 * has, it has `defaultPageSize` at most, and SQL is told so. `totalCount` and aggregates are still
 * over all rows.
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
                $connection.setFirst(firstOf(args, info, limits));
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

/** The number of rows that a connection reads from its beginning, as a step. */
function firstOf(args: FieldArgs, { field }: FieldInfo, limits: Limits): Step {
  const hasLast = field.args.some(({ name }) => name === "last");
  const $first = args.getRaw("first");
  const $last = hasLast ? args.getRaw("last") : constant(undefined);
  if (isAbsent($first) && isAbsent($last)) return constant(limits.defaultPageSize);
  return lambda(
    [$first, $last] as const,
    ([first, last]: readonly [number | null | undefined, number | null | undefined]) =>
      first ?? (last == null ? limits.defaultPageSize : null),
    true,
  );
}

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
