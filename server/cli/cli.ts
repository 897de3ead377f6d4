import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pg from "pg";

import { readApplication } from "./application.ts";
import { colorsFor } from "./colors.ts";
import { type Context, createContext } from "./commands/context.ts";
import { demoCommand } from "./commands/demo.ts";
import type { DemoOptions } from "./demo/run.ts";
import { doctorCommand } from "./commands/doctor.ts";
import {
  compileFieldsCommand,
  indexFieldCommand,
  listFieldsCommand,
  unindexFieldCommand,
} from "./commands/field.ts";
import { digestCommand, maintainCommand, verifyCommand } from "./commands/audit-log.ts";
import {
  createKeyCommand,
  listKeysCommand,
  type NewKey,
  revokeKeyCommand,
} from "./commands/key.ts";
import {
  commitCommand,
  migrateCommand,
  type MigrateRequest,
  resetCommand,
  revertCommand,
  statusCommand,
} from "./commands/migrations.ts";
import type { PersistRequest } from "./commands/persist.ts";
import { initCommand } from "./commands/init.ts";
import { tokenCommand } from "./commands/token.ts";
import { type Login, urlCommand } from "./commands/url.ts";
import { watchCommand } from "./commands/watch.ts";
import { readConfig } from "../settings.ts";
import { exitCodes, hasCode, Problem } from "../errors/problem.ts";
import { tokenRoles, type TokenRequest } from "../auth/token.ts";

const exitCodeHelp = `
Exit codes:
  0  done
  1  failed; the last line says why
  2  wrong command, option or environment variable
  3  status: committed migrations are pending
  4  status: nothing is pending, but current/ contains uncommitted work
  5  doctor, verify: there are findings`;

const program = new Command("pgcrm")
  .description(
    "A CRM core in PostgreSQL. Set DATABASE_URL or PGHOST to use your own PostgreSQL server.",
  )
  .addHelpText("after", exitCodeHelp)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(paintError(text)) });

program
  .command("start")
  .description("migrate the database and serve GraphQL until stopped")
  .option(
    "--no-migrate",
    "wait until another process has migrated the database (like MIGRATE_ON_START=false)",
  )
  .addHelpText(
    "after",
    examples(
      "npx pgcrm start",
      "PORT=8080 npx pgcrm start",
      "SERVER_DATABASE_URL=postgres://crm_server:secret@db.example/crm npx pgcrm start --no-migrate",
    ),
  )
  .action(async (options: { migrate: boolean }) => {
    process.env.GRAPHILE_ENV ??= "production"; // the development checks cost time on each request
    const { startCommand } = await import("./commands/start.ts");
    await startCommand(await context(), options);
  });

program
  .command("migrate")
  .description("run the pending migrations")
  .option(
    "--set-server-password",
    "reset the password of crm_server to that in SERVER_DATABASE_URL, or to the derived one",
  )
  .addHelpText(
    "after",
    examples("npx pgcrm migrate", "DATABASE_URL=postgres://crm@db.example/crm npx pgcrm migrate"),
  )
  .option("--print", "print the SQL that would run and the locks it takes; change nothing")
  .action(async (options: MigrateRequest) => migrateCommand(await context(), options));

program
  .command("init")
  .description("create a project that is built on pgcrm")
  .argument("<folder>", "a new or empty folder; its name becomes the name of the project")
  .addHelpText("after", examples("npx pgcrm init my-crm"))
  .action((folder: string) => initCommand(folder, (line) => console.log(line)));

program
  .command("url")
  .description("print the URL of the database, with its password, for psql and other programs")
  .addArgument(
    new Argument("[login]", "the login that connects")
      .choices(["owner", "server", "reporter"])
      .default("owner"),
  )
  .addHelpText("after", examples('psql "$(npx pgcrm url)"', "npx pgcrm url reporter"))
  .action(async (login: Login) => urlCommand(await context(), login));

program
  .command("status")
  .description("list applied and pending migrations, and report uncommitted work")
  .addHelpText("after", examples("npx pgcrm status", "npx pgcrm status || echo not current"))
  .action(async () => {
    process.exitCode = await statusCommand(await context());
  });

program
  .command("watch")
  .description("apply current/ whenever a migration, function or trigger file changes")
  .option("--once", "apply it once and exit")
  .addHelpText("after", examples("npx pgcrm watch", "npx pgcrm watch --once"))
  .action(async (options: { once?: boolean }) => watchCommand(await context(), options));

program
  .command("commit")
  .description("turn current/ into the next committed migration")
  .option("-m, --message <words>", "a description, which becomes part of the file name")
  .addHelpText("after", examples('npx pgcrm commit --message "deal sources"'))
  .action(async (options: { message?: string }) => commitCommand(await context(), options));

program
  .command("revert")
  .description("revert the last migration with its script in db/migrations/revert")
  .option("--force", "do not ask for confirmation if this deletes data")
  .addHelpText("after", examples("npx pgcrm revert", "npx pgcrm revert --force"))
  .action(async (options: { force?: boolean }) => revertCommand(await context(), options));

program
  .command("reset")
  .description("drop the database, and create and migrate an empty one")
  .option("--force", "do not ask for confirmation")
  .addHelpText("after", examples("npx pgcrm reset", "npx pgcrm reset --force"))
  .action(async (options: { force?: boolean }) => resetCommand(await context(), options));

program
  .command("token")
  .description("print a signed token for a role and a user")
  .addOption(new Option("--role <role>", "its rights").choices(tokenRoles).default("member"))
  .option("--user <id>", "the user that makes the requests", nonBlank, "developer")
  .option("--expires <span>", "how long the token is valid", "12h")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm token --role admin",
      "npx pgcrm token --role reader --user ann --expires 30d",
    ),
  )
  .action(async (request: TokenRequest) => tokenCommand(await context(), request));

const key = program
  .command("key")
  .description("create, list and revoke API keys for integrations")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm key create zapier --role member --expires 90d",
      "npx pgcrm key list",
      "npx pgcrm key revoke zapier",
    ),
  );

key
  .command("create")
  .description("create a key and print it; it cannot be printed again")
  .argument("<name>", "the name of the integration; in the audit log, its user is key:<name>")
  .addOption(new Option("--role <role>", "its rights").choices(tokenRoles).makeOptionMandatory())
  .option("--expires <span>", "how long the key is valid (default: until it is revoked)")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm key create zapier --role member --expires 90d",
      "KEY=$(npx pgcrm key create nightly-export --role reader)",
    ),
  )
  .action(async (name: string, request: NewKey) =>
    createKeyCommand(await context(), name, request),
  );

key
  .command("list")
  .description("list all keys, without their secret parts")
  .option("--json", "print JSON")
  .addHelpText("after", examples("npx pgcrm key list", "npx pgcrm key list --json"))
  .action(async (options: { json?: boolean }) => listKeysCommand(await context(), options));

key
  .command("revoke")
  .description("revoke a key; its next request is refused")
  .argument("<name>", "the name of the key")
  .addHelpText("after", examples("npx pgcrm key revoke zapier"))
  .action(async (name: string) => revokeKeyCommand(await context(), name));

const field = program
  .command("field")
  .description("list custom fields, and index them to speed up filters and sorting")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm field list",
      "npx pgcrm field index contact industry",
      "npx pgcrm field index deal region --prefix stage value",
      "npx pgcrm field unindex contact industry",
    ),
  );

const entityType = () =>
  new Argument("<entityType>", "the entity type that has the field, such as contact");

field
  .command("index")
  .description("create the index of a field without blocking writes; does nothing if it exists")
  .addArgument(entityType())
  .argument("<name>", "the name of the field")
  .option("--prefix <fields...>", "other fields by which lists are filtered, or then ordered")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm field index contact industry",
      "npx pgcrm field index deal region --prefix stage value",
    ),
  )
  .action(async (type: string, name: string, { prefix }: { prefix?: string[] }) =>
    indexFieldCommand(await context(), type, name, prefix),
  );

field
  .command("list")
  .description("list all custom fields and their indexes")
  .option("--json", "print JSON")
  .addHelpText("after", examples("npx pgcrm field list", "npx pgcrm field list --json"))
  .action(async (options: { json?: boolean }) => listFieldsCommand(await context(), options));

field
  .command("compile")
  .description("compile custom fields into functions and reports; needed after logical replication")
  .addHelpText("after", examples("npx pgcrm field compile"))
  .action(async () => compileFieldsCommand(await context()));

field
  .command("unindex")
  .description("drop the index of a field without blocking reads or writes")
  .addArgument(entityType())
  .argument("<name>", "the name of the field")
  .addHelpText("after", examples("npx pgcrm field unindex contact industry"))
  .action(async (type: string, name: string) => unindexFieldCommand(await context(), type, name));

program
  .command("doctor")
  .description("check the installation and print each finding")
  .addHelpText(
    "after",
    examples("npx pgcrm doctor", "DATABASE_URL=postgres://crm@db.example/crm npx pgcrm doctor"),
  )
  .action(async () => {
    process.exitCode = await doctorCommand(await context());
  });

program
  .command("verify")
  .description("compare the audit log with its seals and report the first entry that differs")
  .option("--digest <digest>", "an earlier digest that was stored elsewhere")
  .addHelpText("after", examples("npx pgcrm verify", "npx pgcrm verify --digest 12-5f70bf18…"))
  .action(async (options: { digest?: string }) => {
    process.exitCode = await verifyCommand(await context(), options);
  });

program
  .command("digest")
  .description("print the digest of the audit log, to be stored elsewhere, such as by an auditor")
  .addHelpText("after", examples("npx pgcrm digest"))
  .action(async () => digestCommand(await context()));

program
  .command("maintain")
  .description("create partitions, purge the trash, expire idempotency keys, seal the audit log")
  .addHelpText("after", examples("npx pgcrm maintain"))
  .action(async () => maintainCommand(await context()));

program
  .command("demo")
  .description("fill an empty database with an invented year of a sales team")
  .option(
    "--size <contacts>",
    "the number of contacts, from 50 to 200000",
    wholeNumber(50, 200_000),
    250,
  )
  .option("--seed <number>", "another number makes other data", wholeNumber(0, 4_294_967_295), 1)
  .addHelpText("after", examples("npx pgcrm demo", "npx pgcrm demo --size 5000 --seed 7"))
  .action(async (options: DemoOptions) => demoCommand(await context(), options));

program
  .command("persist <code...>")
  .description("collect the operations of a client's code into a folder that the server reads")
  .requiredOption(
    "--out <folder>",
    "the folder for the documents; each file is named by its SHA-256 hash",
  )
  .option("--manifest <file>", "write a manifest of names and hashes for the client")
  .option("--schema <file>", "your GraphQL schema, if it has custom fields")
  .option("--typename", "add __typename to every selection, as the caches of Apollo and urql do")
  .option(
    "--prune",
    "delete documents that are no longer in the code; older clients may still use them",
  )
  .addHelpText(
    "after",
    examples(
      "npx pgcrm persist ../web/src --out operations",
      "npx pgcrm persist ../web/src --out operations --typename --manifest ../web/operations.json",
    ),
  )
  .action(async (paths: string[], request: PersistRequest) => {
    const { persistCommand } = await import("./commands/persist.ts");
    await persistCommand(await context(), paths, request);
  });

// The reader of the output, such as head, may close the pipe early.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  // A server stops as on SIGTERM: it may have to stop an embedded database too.
  if (!process.emit("SIGTERM", "SIGTERM")) process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

async function context(): Promise<Context> {
  const application = await readApplication(process.cwd());
  const settings = { ...application?.extension.settings, ...process.env };
  return createContext(readConfig(settings), application);
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

function nonBlank(value: string): string {
  if (value.trim() === "") throw new InvalidArgumentError("It must not be blank.");
  return value;
}

function wholeNumber(low: number, high: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < low || number > high) {
      throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`);
    }
    return number;
  };
}

/** Prints an error and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  if (error instanceof Problem) {
    console.error(paintError(error.message));
    return error.exitCode;
  }
  if (hasCode(error, "25006")) {
    console.error(
      paintError("The database is read-only. If it is a standby, use the URL of its primary."),
    );
    return exitCodes.failure;
  }
  if (error instanceof pg.DatabaseError) {
    const more = [error.detail, error.hint].filter((part) => part !== undefined).join(" ");
    console.error(
      paintError(`The database reported: ${error.message} (${error.code ?? ""}) ${more}`),
    );
    return exitCodes.failure;
  }
  console.error(error);
  return exitCodes.failure;
}

function paintError(text: string): string {
  return colorsFor(process.stderr).red(text);
}
