import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type ConnectionOptions, getCACertificates, rootCertificates } from "node:tls";

import pg from "pg";

import { defaultFile, type Parameters, parseUrl } from "./connection-string.ts";

/**
 * Returns the options of a client or a pool for a URL, with the semantics of libpq. The driver itself
 * interprets `sslmode` differently.
 *
 * @param url a `postgres://` URL.
 */
export function clientOptions(url: string): ClientOptions {
  const parameters = parseUrl(url);
  const { host, hostaddr, port, dbname, user, password, options } = parameters;
  const ssl = tlsOptions(parameters);
  return {
    host: hostaddr ?? host,
    port: Number(port ?? 5432),
    database: dbname,
    user,
    password,
    ssl,
    ...(options === undefined ? {} : { options }),
    // Other values except postgres were refused when the URL was parsed.
    ...(ssl !== false && parameters.sslnegotiation === "direct"
      ? { sslnegotiation: "direct" }
      : {}),
    ...(parameters.application_name === undefined
      ? {}
      : { application_name: parameters.application_name }),
    // The default mode of libpq uses TLS only if the server supports it.
    ...(isOptional(parameters) ? { Client: OptionalTlsClient } : {}),
  };
}

/** Options of the driver, for a client and for a pool. */
interface ClientOptions extends pg.ClientConfig {
  readonly Client?: typeof pg.Client;
}

/** Creates a client that connects to a URL. */
export function createClient(url: string, more: pg.ClientConfig = {}): pg.Client {
  const { Client = pg.Client, ...options } = clientOptions(url);
  return new Client({ ...options, ...more });
}

/** Returns whether a connection is encrypted. */
export function isEncrypted(client: pg.ClientBase): boolean {
  const { connection } = client as unknown as { connection: { stream: { encrypted?: boolean } } };
  return connection.stream.encrypted === true;
}

function isSocket({ host, hostaddr }: Parameters): boolean {
  return hostaddr === undefined && (host === undefined || host.startsWith("/"));
}

/** Returns whether TLS is optional. Like libpq, a Unix socket is never encrypted: it is local. */
function isOptional(parameters: Parameters): boolean {
  const { sslmode = "prefer" } = parameters;
  return !isSocket(parameters) && (sslmode === "prefer" || sslmode === "allow");
}

function tlsOptions(parameters: Parameters): ConnectionOptions | false {
  const { host = "", hostaddr, sslmode = "prefer", sslrootcert } = parameters;
  if (sslmode === "disable" || isSocket(parameters)) return false;
  const certificate = fileOf(parameters.sslcert, "postgresql.crt");
  const key = fileOf(parameters.sslkey, "postgresql.key");
  const options: ConnectionOptions = {
    ...(certificate === undefined || key === undefined
      ? {}
      : { cert: certificate, key, passphrase: parameters.sslpassword }),
    ...optional("crl", fileOf(parameters.sslcrl, "root.crl")),
    ...optional("minVersion", parameters.ssl_min_protocol_version),
    ...optional("maxVersion", parameters.ssl_max_protocol_version),
    // With hostaddr, the certificate is still checked against the host name.
    ...(hostaddr !== undefined && host !== "" && isIP(host) === 0 ? { servername: host } : {}),
  };
  const authorities = sslrootcert === "system" ? trustedHere() : fileOf(sslrootcert, "root.crt");
  const verifies =
    sslmode === "verify-full" ||
    sslmode === "verify-ca" ||
    // Like libpq, require verifies the certificate if there is a root certificate.
    (sslmode === "require" && authorities !== undefined);
  if (!verifies) return { ...options, rejectUnauthorized: false };
  return {
    ...options,
    rejectUnauthorized: true,
    ca: authorities,
    ...(sslmode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
  };
}

function optional(key: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [key]: value };
}

/** Returns the root certificates of this machine; if Node cannot read them, its bundled ones. */
function trustedHere(): string[] {
  const certificates = getCACertificates("system");
  return certificates.length > 0 ? certificates : [...rootCertificates];
}

function fileOf(path: string | undefined, name: string): string | undefined {
  if (path !== undefined) return readFileSync(path, "utf8");
  const usual = defaultFile(name);
  return existsSync(usual) ? readFileSync(usual, "utf8") : undefined;
}

/** The parts of the driver's connection that its types omit. */
interface Connection {
  stream: NodeJS.EventEmitter;
  connect(port: number, host?: string): void;
  attachListeners(stream: NodeJS.EventEmitter): void;
  emit(event: string): void;
}

/** The response of a server without TLS. */
const no = "N".charCodeAt(0);

/** A client that continues without TLS if the server does not support it. */
class OptionalTlsClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const { connection } = this as unknown as { connection: Connection };
    const connect = connection.connect.bind(connection);
    connection.connect = (port, host) => {
      connect(port, host);
      const { stream } = connection;
      const [listener] = stream.listeners("data") as [(answer: Buffer) => void];
      stream.removeAllListeners("data");
      stream.once("data", (answer: Buffer) => {
        if (answer[0] !== no) {
          listener(answer);
          return;
        }
        connection.attachListeners(stream);
        connection.emit("sslconnect"); // continue as after the TLS handshake: the next messages are the same
      });
    };
  }
}
