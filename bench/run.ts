/** Runs a benchmark by its name: `npm run bench -- audit-log`. The default is `bulk`. */
const benchmarks = [
  "bulk",
  "fields",
  "audit-log",
  "load",
  "migrate",
  "million",
  "mix",
  "reports",
  "requests",
  "search",
  "sync",
  "upserts",
];

const [name = "bulk"] = process.argv.slice(2);
if (!benchmarks.includes(name)) {
  console.error(`There is no benchmark ${name}; choose one of ${benchmarks.join(", ")}.`);
  process.exit(2);
}
await import(`./${name}.ts`);
