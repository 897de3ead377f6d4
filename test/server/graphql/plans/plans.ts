/** A node of a plan, as `explain (format json)` prints it. */
export interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly Filter?: string;
  readonly "Parent Relationship"?: string;
  readonly Plans?: readonly PlanNode[];
}

/** The nodes that read all of their input before they return a row. */
const collecting = new Set(["Sort", "Aggregate", "Hash", "WindowAgg", "SetOp", "Materialize"]);

/**
 * Returns the tables that a plan reads in a time that grows with the table: by a sequential scan, or by an index
 * without a condition on it, unless a limit ends that after some rows.
 *
 * @param growing the names of the tables that grow, and of their indexes. A partial index may stay small.
 */
export function tablesRead(plan: PlanNode, growing: ReadonlySet<string>): string[] {
  return [...new Set(find(plan, false))];

  function find(node: PlanNode, isLimited: boolean): string[] {
    const type = node["Node Type"];
    const table = node["Relation Name"];
    const isWhole =
      type === "Seq Scan" ||
      (/^Index (Only )?Scan/.test(type) &&
        node["Index Cond"] === undefined &&
        growing.has(node["Index Name"] ?? "") &&
        !(isLimited && node.Filter === undefined));
    const isBelow = type === "Limit" || (isLimited && !collecting.has(type));
    const below = (node.Plans ?? []).flatMap((child) =>
      find(child, isBelow && child["Parent Relationship"] !== "SubPlan"),
    );
    return table !== undefined && isWhole && growing.has(table) ? [table, ...below] : below;
  }
}
