import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";

/** The modes of TLS, with the semantics of libpq. */
export const sslModes = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;

export type SslMode = (typeof sslModes)[number];

/** The parameters of a connection, by their names in libpq. */
export type Parameters = Partial<Record<Keyword, string>>;

type Keyword = (typeof keywords)[number];

/**
 * The supported parameters of libpq.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
const keywords = [
  "host",
  "hostaddr",
  "port",
  "dbname",
  "user",
  "password",
  "passfile",
  "application_name",
  "connect_timeout",
  "options",
  "sslmode",
  "sslnegotiation",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslpassword",
  "sslcrl",
  "ssl_min_protocol_version",
  "ssl_max_protocol_version",
] as const;

/** The environment variables of libpq, each with its parameter. */
const variables: Readonly<Record<string, Keyword>> = {
  PGHOST: "host",
  PGHOSTADDR: "hostaddr",
  PGPORT: "port",
  PGDATABASE: "dbname",
  PGUSER: "user",
  PGPASSWORD: "password",
  PGPASSFILE: "passfile",
  PGAPPNAME: "application_name",
  PGCONNECT_TIMEOUT: "connect_timeout",
  PGOPTIONS: "options",
  PGSSLMODE: "sslmode",
  PGSSLNEGOTIATION: "sslnegotiation",
  PGSSLROOTCERT: "sslrootcert",
  PGSSLCERT: "sslcert",
  PGSSLKEY: "sslkey",
  PGSSLCRL: "sslcrl",
  PGSSLMINPROTOCOLVERSION: "ssl_min_protocol_version",
  PGSSLMAXPROTOCOLVERSION: "ssl_max_protocol_version",
};

/** Variables that name the service file and the service in it. */
const serviceVariables = ["PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"];

/**
 * Parameters that the driver does not support, each with the values that have no effect. Any other value is
 * refused, because the user relies on it.
 */
const unsupported: Readonly<Record<string, readonly string[]>> = {
  channel_binding: ["disable", "prefer"],
  gssencmode: ["disable", "prefer"],
  require_auth: [],
  require_peer: [],
  requirepeer: [],
  sslcertmode: ["allow"],
  sslcrldir: [],
  sslcompression: ["0"],
  sslsni: ["1"],
  target_session_attrs: ["any"],
  load_balance_hosts: ["disable"],
};

const unsupportedVariables: Readonly<Record<string, string>> = {
  PGCHANNELBINDING: "channel_binding",
  PGGSSENCMODE: "gssencmode",
  PGREQUIREAUTH: "require_auth",
  PGREQUIREPEER: "requirepeer",
  PGSSLCERTMODE: "sslcertmode",
  PGSSLCRLDIR: "sslcrldir",
  PGSSLCOMPRESSION: "sslcompression",
  PGSSLSNI: "sslsni",
  PGTARGETSESSIONATTRS: "target_session_attrs",
  PGLOADBALANCEHOSTS: "load_balance_hosts",
};

/** Parameters that are ignored, because the protocol, the driver or the server decides. */
const ignored = [
  ...["client_encoding", "fallback_application_name", "gsslib", "gssdelegation", "krbsrvname"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"],
  ...["tcp_user_timeout", "min_protocol_version", "max_protocol_version"],
  "uselibpqcompat",
];

/** All environment variables of PostgreSQL's clients. */
export const libpqVariables: readonly string[] = [
  ...Object.keys(variables),
  ...Object.keys(unsupportedVariables),
  ...serviceVariables,
  ...["PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGDATA", "PGLOCALEDIR"],
  ...["PGGSSLIB", "PGGSSDELEGATION", "PGKRBSRVNAME", "PGREQUIRESSL"],
  ...["PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGOAUTHDEBUG"],
];

/** Variables of which each alone means that a PostgreSQL server is used, and not the embedded one. */
const namingVariables = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"];

/** A parameter that cannot be used, and its fault; never its value. */
export class WrongParameter extends Error {
  override readonly name = "WrongParameter";
  /** The faulty variable, or parameter of the URL. */
  readonly source: string;
  readonly complaint: string;

  constructor(source: string, complaint: string) {
    super(`${source} ${complaint}`);
    this.source = source;
    this.complaint = complaint;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Returns whether PostgreSQL's own variables name a server. */
export function namesServer(environment: Environment): boolean {
  return namingVariables.some((name) => environment[name]);
}

/**
 * Returns the URL of a connection, completed from the environment. The URL takes precedence over the service
 * file, the service file over the variables, and the variables over libpq's defaults.
 *
 * @param url a `postgres://` URL; undefined if the variables contain everything.
 * @param environment usually `process.env`.
 * @param source the name of the URL in error messages.
 * @throws {WrongParameter} if a parameter or a variable cannot be used.
 */
export function completeUrl(
  url: string | undefined,
  environment: Environment,
  source = "DATABASE_URL",
): string {
  for (const fault of variableFaults(environment)) throw fault;
  const given: Parameters = url === undefined ? {} : parseUrl(url, source);
  const added: Parameters = {};
  for (const [name, keyword] of Object.entries(variables)) {
    const value = environment[name];
    if (value) added[keyword] = value;
  }
  const all: Parameters = { ...added, ...readService(environment), ...given };
  // A host in the URL must not be combined with an address from the environment.
  if (given.host !== undefined && given.hostaddr === undefined) delete all.hostaddr;
  all.user ??= userInfo().username;
  all.dbname ??= all.user;
  all.port ??= "5432";
  if (all.host === undefined && all.hostaddr === undefined) all.host = defaultHost(all.port);
  if (all.sslmode === undefined && all.sslrootcert === "system") all.sslmode = "verify-full";
  refuseContradictions(all, source);
  const password = all.password ?? passwordInFile(all);
  if (password !== undefined) all.password = password;
  delete all.passfile;
  return unchanged(url, given, all) ?? formatUrl(all);
}

/** Returns the given URL, if the environment adds nothing to it. */
function unchanged(
  url: string | undefined,
  given: Parameters,
  all: Parameters,
): string | undefined {
  const implied: Parameters = { port: "5432" };
  const added = (Object.keys(all) as Keyword[]).filter(
    (key) => given[key] === undefined && implied[key] !== all[key],
  );
  return added.length === 0 ? url : undefined;
}

/**
 * Parses the parameters of a URL.
 *
 * @param url a `postgres://` URL.
 * @param source the name of the URL in error messages.
 * @throws {WrongParameter} if a parameter cannot be used, or is unknown to libpq.
 */
export function parseUrl(url: string, source = "DATABASE_URL"): Parameters {
  const { username, password, hostname, port, pathname, searchParams } = new URL(url);
  const parameters: Parameters = {};
  const put = (keyword: Keyword, value: string) => {
    if (value !== "") parameters[keyword] = checked(keyword, value, source);
  };
  put("user", decodeURIComponent(username));
  put("password", decodeURIComponent(password));
  put("host", decodeURIComponent(hostname).replace(/^\[(.+)\]$/, "$1"));
  put("port", port);
  put("dbname", decodeURIComponent(pathname.slice(1)));
  for (const [name, value] of searchParams) {
    const known = aliases[name] ?? name;
    if (isKeyword(known)) put(known, known === "sslmode" ? (sslAliases[value] ?? value) : value);
    else if (unsupported[name] !== undefined) refuseUnless(name, value, source);
    else if (!ignored.includes(name)) {
      throw new WrongParameter(source, `has an unknown parameter: ${name}`);
    }
  }
  return parameters;
}

/** Names of parameters in other drivers. */
const aliases: Readonly<Record<string, Keyword>> = { database: "dbname", ssl: "sslmode" };
const sslAliases: Readonly<Record<string, SslMode>> = {
  true: "require",
  "1": "require",
  false: "disable",
  "0": "disable",
  "no-verify": "require",
};

function isKeyword(name: string): name is Keyword {
  return (keywords as readonly string[]).includes(name);
}

/** Formats parameters as a URL. If the host is a folder of sockets, it is a query parameter too. */
export function formatUrl(parameters: Parameters): string {
  const { host, port, dbname = "", user, password, ...others } = parameters;
  const url = new URL(`postgres:///${encodeURIComponent(dbname)}`);
  const isSocket = host === undefined || host.startsWith("/");
  if (!isSocket) {
    url.host = host.includes(":") ? `[${host}]` : host;
    url.port = port ?? "";
    url.username = encodeURIComponent(user ?? "");
    url.password = encodeURIComponent(password ?? "");
  }
  const rest = isSocket ? { host, port, user, password, ...others } : others;
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

const tlsVersions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** The rules for values of parameters. */
const rules: Partial<Record<Keyword, { isGood: (value: string) => boolean; complaint: string }>> = {
  host: {
    isGood: (value) => !value.includes(","),
    complaint: "must name one host; lists of hosts are not supported",
  },
  port: {
    isGood: (value) => /^\d{1,5}$/.test(value) && Number(value) > 0 && Number(value) < 65_536,
    complaint: "must be a port, from 1 to 65535",
  },
  connect_timeout: {
    isGood: (value) => /^-?\d{1,6}$/.test(value),
    complaint: "must be a whole number of seconds",
  },
  sslmode: {
    isGood: (value) => (sslModes as readonly string[]).includes(value),
    complaint: `must be one of ${sslModes.join(", ")}`,
  },
  sslnegotiation: {
    isGood: (value) => value === "postgres" || value === "direct",
    complaint: "must be postgres or direct",
  },
  ssl_min_protocol_version: {
    isGood: (value) => tlsVersions.includes(value),
    complaint: `must be one of ${tlsVersions.join(", ")}`,
  },
  ssl_max_protocol_version: {
    isGood: (value) => tlsVersions.includes(value),
    complaint: `must be one of ${tlsVersions.join(", ")}`,
  },
};

function checked(keyword: Keyword, value: string, source: string): string {
  const rule = rules[keyword];
  if (rule === undefined || rule.isGood(value)) return value;
  // The name of a variable identifies the parameter.
  const isVariable = variables[source] !== undefined;
  throw new WrongParameter(isVariable ? source : `${keyword} of ${source}`, rule.complaint);
}

/** Returns the faults of PostgreSQL's own variables, each checked alone. */
export function variableFaults(environment: Environment): WrongParameter[] {
  const check = (name: string, value: string) => {
    const keyword = variables[name];
    if (keyword !== undefined) checked(keyword, value, name);
    else refuseUnless(unsupportedVariables[name] ?? "", value, name);
  };
  return [...Object.keys(variables), ...Object.keys(unsupportedVariables)].flatMap((name) => {
    try {
      const value = environment[name];
      if (value) check(name, value);
      return [];
    } catch (error) {
      if (error instanceof WrongParameter) return [error];
      throw error;
    }
  });
}

function refuseUnless(parameter: string, value: string, source: string): void {
  if (unsupported[parameter]?.includes(value)) return;
  const isVariable = unsupportedVariables[source] !== undefined;
  throw new WrongParameter(
    isVariable ? source : `${parameter} of ${source}`,
    "is not supported by the driver: leave it out",
  );
}

/** Refuses contradictory parameters and missing files at the start, and not at the first query. */
function refuseContradictions(parameters: Parameters, source: string): void {
  const { sslmode, sslrootcert } = parameters;
  const files = ["sslcert", "sslkey", "sslcrl"] as const;
  for (const keyword of files) {
    const path = parameters[keyword];
    if (path !== undefined) refuseUnreadable(path, nameOf(keyword, source));
  }
  if (sslrootcert === "system") {
    if (sslmode !== "verify-full") {
      throw new WrongParameter(
        nameOf("sslrootcert", source),
        "can be system only with the mode verify-full: anyone can get a certificate from these authorities",
      );
    }
  } else if (sslrootcert !== undefined) {
    refuseUnreadable(sslrootcert, nameOf("sslrootcert", source));
  } else if (
    (sslmode === "verify-ca" || sslmode === "verify-full") &&
    !existsSync(defaultFile("root.crt"))
  ) {
    throw new WrongParameter(
      nameOf("sslmode", source),
      `requires a root certificate for ${sslmode}: set PGSSLROOTCERT to its file, or to system for the ` +
        "certificates that this machine trusts",
    );
  }
  if (parameters.sslnegotiation === "direct" && !requiresTls(sslmode)) {
    throw new WrongParameter(
      nameOf("sslnegotiation", source),
      "can be direct only with the mode require, verify-ca or verify-full",
    );
  }
}

/** Returns the name of a parameter in error messages: its variable, and its name in the URL. */
function nameOf(keyword: Keyword, source: string): string {
  const variable = Object.keys(variables).find((name) => variables[name] === keyword);
  return `${variable ?? keyword}, or ${keyword} of ${source},`;
}

function refuseUnreadable(path: string, source: string): void {
  try {
    readFileSync(path);
  } catch {
    throw new WrongParameter(source, "must name a readable file");
  }
}

/** Returns whether a mode refuses a connection without TLS. */
export function requiresTls(mode: string | undefined): boolean {
  return mode === "require" || mode === "verify-ca" || mode === "verify-full";
}

/** Returns the default path of a file of libpq. */
export function defaultFile(name: string): string {
  return join(homedir(), ".postgresql", name);
}

/** Returns the default host of libpq: a folder of Unix sockets, or localhost. */
function defaultHost(port: string): string {
  const folders = ["/var/run/postgresql", "/tmp"];
  return folders.find((folder) => existsSync(`${folder}/.s.PGSQL.${port}`)) ?? "localhost";
}

/** Returns the password of a connection in the password file. */
function passwordInFile({ passfile, host, port, dbname, user }: Parameters): string | undefined {
  const path = passfile ?? join(homedir(), ".pgpass");
  const status = statSync(path, { throwIfNoEntry: false });
  // Like libpq, ignores a file that other users may read.
  if (status === undefined || (status.mode & 0o077) !== 0) return undefined;
  const wanted = [
    host === undefined || host.startsWith("/") ? "localhost" : host,
    port,
    dbname,
    user,
  ];
  for (const line of readFileSync(path, "utf8").split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = ""]) =>
      field.replaceAll(/\\(.)/g, "$1"),
    );
    if (wanted.every((value, i) => fields[i] === "*" || fields[i] === value)) return fields[4];
  }
  return undefined;
}

/** Returns the parameters of the service PGSERVICE in the service files. */
function readService(environment: Environment): Parameters {
  const service = environment.PGSERVICE;
  if (!service) return {};
  const paths = [
    environment.PGSERVICEFILE ?? join(homedir(), ".pg_service.conf"),
    join(environment.PGSYSCONFDIR ?? "/etc/postgresql-common", "pg_service.conf"),
  ];
  for (const path of paths.filter((name) => existsSync(name))) {
    const lines = readFileSync(path, "utf8").split(/\r?\n/);
    const begin = lines.findIndex((line) => line.trim() === `[${service}]`);
    if (begin < 0) continue;
    const section = lines.slice(begin + 1);
    const end = section.findIndex((line) => line.trim().startsWith("["));
    return readSection(end < 0 ? section : section.slice(0, end), path);
  }
  throw new WrongParameter("PGSERVICE", "names a service that is in no service file");
}

function readSection(lines: readonly string[], path: string): Parameters {
  const parameters: Parameters = {};
  for (const line of lines) {
    const [, name = "", value = ""] = /^\s*([^#=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === "") continue;
    if (isKeyword(name)) parameters[name] = checked(name, value, path);
    else if (unsupported[name] !== undefined) refuseUnless(name, value, path);
    else if (!ignored.includes(name)) {
      throw new WrongParameter(path, `has an unknown parameter: ${name}`);
    }
  }
  return parameters;
}
