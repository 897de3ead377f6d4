import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pg from "pg";

import { readApplication } from "./application.ts";
import { colorsFor } from "./colors.ts";
import { type Context, createContext } from "./commands/context.ts";
import { demoCommand } from "./commands/demo.ts";
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
  4  status: nothing is pending, but current/ holds uncommitted work
  5  doctor, verify: there are findings`;

const program = new Command("pgcrm")
  .description(
    "A CRM core that lives in PostgreSQL. Set DATABASE_URL or PGHOST to use a server of your own.",
  )
  .addHelpText("after", exitCodeHelp)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(paintError(text)) });

program
  .command("start")
  .description("migrate the database and serve GraphQL until stopped")
  .option("--no-migrate", "serve what somebody else migrates; as MIGRATE_ON_START=false")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm start",
      "PORT=8080 npx pgcrm start",
      "SERVER_DATABASE_URL=postgres://crm_server:secret@db.example/crm npx pgcrm start --no-migrate",
    ),
  )
  .action(async (options: { migrate: boolean }) => {
    process.env.GRAPHILE_ENV ??= "production"; // its development checks cost time at each request
    const { startCommand } = await import("./commands/start.ts");
    await startCommand(await context(), options);
  });

program
  .command("migrate")
  .description("run the committed migrations that the database lacks")
  .option(
    "--set-server-password",
    "give crm_server the password of SERVER_DATABASE_URL, or the derived one, if it has another",
  )
  .addHelpText(
    "after",
    examples("npx pgcrm migrate", "DATABASE_URL=postgres://crm@db.example/crm npx pgcrm migrate"),
  )
  .option("--print", "print the SQL that would run, with what it locks, and run nothing")
  .action(async (options: MigrateRequest) => migrateCommand(await context(), options));

program
  .command("init")
  .description("make a project that is built on pgcrm, in a new folder")
  .argument("<folder>", "where; its name becomes that of the project")
  .addHelpText("after", examples("npx pgcrm init my-crm"))
  .action((folder: string) => initCommand(folder, (line) => console.log(line)));

program
  .command("url")
  .description("print the URL of the database, with its password, for psql and other programs")
  .addArgument(
    new Argument("[login]", "who connects")
      .choices(["owner", "server", "reporter"])
      .default("owner"),
  )
  .addHelpText("after", examples('psql "$(npx pgcrm url)"', "npx pgcrm url reporter"))
  .action(async (login: Login) => urlCommand(await context(), login));

program
  .command("status")
  .description("tell what is applied, pending and uncommitted")
  .addHelpText("after", examples("npx pgcrm status", "npx pgcrm status || echo not current"))
  .action(async () => {
    process.exitCode = await statusCommand(await context());
  });

program
  .command("watch")
  .description("apply current/ whenever a migration, function or trigger file changes")
  .option("--once", "apply it once and end")
  .addHelpText("after", examples("npx pgcrm watch", "npx pgcrm watch --once"))
  .action(async (options: { once?: boolean }) => watchCommand(await context(), options));

program
  .command("commit")
  .description("turn current/ into the next committed migration")
  .option("-m, --message <words>", "becomes part of the file's name")
  .addHelpText("after", examples('npx pgcrm commit --message "deal sources"'))
  .action(async (options: { message?: string }) => commitCommand(await context(), options));

program
  .command("revert")
  .description("undo the last committed migration with its file in db/migrations/revert")
  .option("--force", "do not ask, where that deletes data")
  .addHelpText("after", examples("npx pgcrm revert", "npx pgcrm revert --force"))
  .action(async (options: { force?: boolean }) => revertCommand(await context(), options));

program
  .command("reset")
  .description("delete the database and make it anew, empty and migrated")
  .option("--force", "do not ask")
  .addHelpText("after", examples("npx pgcrm reset", "npx pgcrm reset --force"))
  .action(async (options: { force?: boolean }) => resetCommand(await context(), options));

program
  .command("token")
  .description("print a signed token for a role and a user")
  .addOption(new Option("--role <role>", "what it may do").choices(tokenRoles).default("member"))
  .option("--user <id>", "who it speaks for", nonBlank, "developer")
  .option("--expires <span>", "how long it is valid", "12h")
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
  .description("create a key and print it, this once")
  .argument("<name>", "what the integration is called; the audit log has it as key:<name>")
  .addOption(
    new Option("--role <role>", "what it may do").choices(tokenRoles).makeOptionMandatory(),
  )
  .option("--expires <span>", "how long it is good; without it until it is revoked")
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
  .description("print every key, but for the keys themselves")
  .option("--json", "as JSON")
  .addHelpText("after", examples("npx pgcrm key list", "npx pgcrm key list --json"))
  .action(async (options: { json?: boolean }) => listKeysCommand(await context(), options));

key
  .command("revoke")
  .description("revoke a key: the next request with it is refused")
  .argument("<name>", "the name that it was created with")
  .addHelpText("after", examples("npx pgcrm key revoke zapier"))
  .action(async (name: string) => revokeKeyCommand(await context(), name));

const field = program
  .command("field")
  .description("index custom fields, so that filters and orders on them read less")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm field list",
      "npx pgcrm field index contact industry",
      "npx pgcrm field unindex contact industry",
    ),
  );

const entityType = () =>
  new Argument("<entityType>", "what has the field").choices(["contact", "company", "deal"]);

field
  .command("index")
  .description("make the index of a field while others write; nothing is done if it is there")
  .addArgument(entityType())
  .argument("<name>", "the name of the field's definition")
  .addHelpText("after", examples("npx pgcrm field index contact industry"))
  .action(async (type: string, name: string) => indexFieldCommand(await context(), type, name));

field
  .command("list")
  .description("print every custom field with its index, if it has one")
  .option("--json", "as JSON")
  .addHelpText("after", examples("npx pgcrm field list", "npx pgcrm field list --json"))
  .action(async (options: { json?: boolean }) => listFieldsCommand(await context(), options));

field
  .command("compile")
  .description(
    "make functions and reports of the definitions that there are, as after a logical copy",
  )
  .addHelpText("after", examples("npx pgcrm field compile"))
  .action(async () => compileFieldsCommand(await context()));

field
  .command("unindex")
  .description("drop the index of a field while others read and write")
  .addArgument(entityType())
  .argument("<name>", "the name of the field's definition")
  .addHelpText("after", examples("npx pgcrm field unindex contact industry"))
  .action(async (type: string, name: string) => unindexFieldCommand(await context(), type, name));

program
  .command("doctor")
  .description("examine the installation; prints a line for each finding")
  .addHelpText(
    "after",
    examples("npx pgcrm doctor", "DATABASE_URL=postgres://crm@db.example/crm npx pgcrm doctor"),
  )
  .action(async () => {
    process.exitCode = await doctorCommand(await context());
  });

program
  .command("verify")
  .description("compare the audit log with its seals; names the first entry that is not as it was")
  .option("--digest <digest>", "one that was kept elsewhere")
  .addHelpText("after", examples("npx pgcrm verify", "npx pgcrm verify --digest 12-5f70bf18…"))
  .action(async (options: { digest?: string }) => {
    process.exitCode = await verifyCommand(await context(), options);
  });

program
  .command("digest")
  .description("print the digest of the audit log, for an auditor to keep elsewhere")
  .addHelpText("after", examples("npx pgcrm digest"))
  .action(async () => digestCommand(await context()));

program
  .command("maintain")
  .description(
    "make partitions, purge the trash, forget idempotency keys, seal: as a running server does",
  )
  .addHelpText("after", examples("npx pgcrm maintain"))
  .action(async () => maintainCommand(await context()));

program
  .command("demo")
  .description("fill an empty database with a small, invented data set")
  .addHelpText("after", examples("npx pgcrm demo"))
  .action(async () => demoCommand(await context()));

program
  .command("persist <code...>")
  .description("collect the operations of a client's code into a folder that the server reads")
  .requiredOption("--out <folder>", "where each document goes, called by its SHA-256 hash")
  .option("--manifest <file>", "write the names and hashes for the client")
  .option("--schema <file>", "the API, where it has custom fields")
  .option(
    "--typename",
    "ask for __typename in every selection, as the caches of Apollo and urql do",
  )
  .option("--prune", "delete documents that the code does not have; older clients may ask for them")
  .addHelpText(
    "after",
    examples(
      "npx pgcrm persist ../web/src --out operations",
      "npx pgcrm persist ../web/src --out operations --typename --manifest ../web/operations.json",
    ),
  )
  .action(async (paths: string[], request: PersistRequest) => {
    const { persistCommand } = await import("./commands/persist.ts");
    persistCommand(await context(), paths, request);
  });

// Whoever reads the output, such as head, may have enough of it.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  // A server stops as when it is told to; it may have a database to stop too.
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

/** Tells what went wrong and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  if (error instanceof Problem) {
    console.error(paintError(error.message));
    return error.exitCode;
  }
  if (hasCode(error, "25006")) {
    console.error(
      paintError(
        "The database takes no changes: it is a standby, or read only. Use the URL of its primary.",
      ),
    );
    return exitCodes.failure;
  }
  if (error instanceof pg.DatabaseError) {
    const more = [error.detail, error.hint].filter((part) => part !== undefined).join(" ");
    console.error(paintError(`The database says: ${error.message} (${error.code ?? ""}) ${more}`));
    return exitCodes.failure;
  }
  console.error(error);
  return exitCodes.failure;
}

function paintError(text: string): string {
  return colorsFor(process.stderr).red(text);
}
