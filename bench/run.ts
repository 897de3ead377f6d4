/** Runs a benchmark by its name, `npm run bench -- audit-log`; that of bulk inserts if none is given. */
const benchmarks = [
  "bulk",
  "fields",
  "audit_log",
  "load",
  "migrate",
  "mix",
  "reports",
  "search",
  "upserts",
];

const [name = "bulk"] = process.argv.slice(2);
if (!benchmarks.includes(name)) {
  console.error(`There is no benchmark ${name}; there are ${benchmarks.join(", ")}.`);
  process.exit(2);
}
await import(`./${name}.ts`);
