import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { isEncrypted } from "../../../server/postgres/client.ts";
import { withConnection } from "../../../server/postgres/connect.ts";
import { completeUrl } from "../../../server/postgres/connection-string.ts";
import { type EmbeddedDatabase, openEmbedded } from "../../../server/embedded/embedded.ts";
import { migrateDatabase } from "../../../server/migrations/migrate.ts";
import { createPool } from "../../../server/postgres/pool.ts";
import { deriveServerUrl } from "../../../server/postgres/server-login.ts";
import { clusterUrl } from "../../helpers/cluster.ts";
import { startTestServer } from "../../helpers/server.ts";

let folder: string;
let cluster: EmbeddedDatabase;
/** The database's URL on a server with TLS; its certificate is that of `localhost`. */
let encrypted: URL;

const path = (name: string) => join(folder, name);
const openssl = (...parameters: string[]) =>
  execFileSync("openssl", parameters, { cwd: folder, stdio: "pipe" });

/** Makes a certificate that signs, and one for `localhost` that it has signed. */
function makeCertificates(): void {
  for (const name of ["root", "other"]) {
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "2", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`],
    );
  }
  openssl(
    ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"],
  );
  writeFileSync(path("names"), "subjectAltName=DNS:localhost\n");
  openssl(
    ...["x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key"],
    ...["-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt"],
  );
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgcrm-tls-"));
  chmodSync(folder, 0o755);
  makeCertificates();
  const binaries = process.env.PGCRM_TEST_POSTGRES;
  const settings = { fsync: "off" };
  // The first start makes the account's own folder, in which the key has to be its own.
  await (await openEmbedded({ folder: path("postgres"), binaries, settings })).close();
  const { uid, gid } = statSync(path("postgres"));
  mkdirSync(path("tls"));
  for (const name of ["server.key", "server.crt"]) {
    execFileSync("cp", [path(name), path("tls")]);
    chownSync(join(path("tls"), name), uid, gid);
    chmodSync(join(path("tls"), name), 0o600);
  }
  cluster = await openEmbedded({
    folder: path("postgres"),
    binaries,
    settings: {
      ...settings,
      ssl: "on",
      ssl_cert_file: path("tls/server.crt"),
      ssl_key_file: path("tls/server.key"),
    },
  });
  await cluster.ensureDatabase("crm");
  encrypted = new URL(cluster.url("crm"));
  encrypted.hostname = "localhost";
}, 120_000);

afterAll(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const over = (environment: Record<string, string>, url: string = encrypted.href) =>
  withConnection(completeUrl(url, environment), (client) => Promise.resolve(isEncrypted(client)));

describe("sslmode has the meaning of libpq", () => {
  test.each([
    ["none given", {}, true],
    ["disable", { PGSSLMODE: "disable" }, false],
    ["allow", { PGSSLMODE: "allow" }, true],
    ["prefer", { PGSSLMODE: "prefer" }, true],
    ["require", { PGSSLMODE: "require" }, true],
  ])("%s: no certificate is needed", async (_, environment, isSecret) => {
    expect(await over(environment)).toBe(isSecret);
  });

  test.each(["none", "disable", "allow", "prefer"])(
    "%s: a server without TLS is fine",
    async (mode) => {
      expect(await over(mode === "none" ? {} : { PGSSLMODE: mode }, clusterUrl())).toBe(false);
    },
  );

  test("require: a server without TLS is refused, in one sentence", async () => {
    await expect(over({ PGSSLMODE: "require" }, clusterUrl())).rejects.toMatchObject({
      name: "Problem",
      message: expect.stringMatching(
        /does not support TLS, which sslmode \(PGSSLMODE\) requires\.$/,
      ),
    });
  });

  test.each(["require", "verify-ca", "verify-full"])(
    "%s: who signed the certificate is checked where a root certificate is given",
    async (mode) => {
      const root = (name: string) => ({ PGSSLMODE: mode, PGSSLROOTCERT: path(name) });
      expect(await over(root("root.crt"))).toBe(true);
      await expect(over(root("other.crt"))).rejects.toMatchObject({
        name: "Problem",
        message: expect.stringMatching(/is not trusted .*PGSSLROOTCERT/s),
      });
    },
  );

  test("verify-full: the host's name is checked too, verify-ca takes any", async () => {
    const byAddress = new URL(encrypted);
    byAddress.hostname = "127.0.0.1";
    const root = { PGSSLROOTCERT: path("root.crt") };
    expect(await over({ ...root, PGSSLMODE: "verify-ca" }, byAddress.href)).toBe(true);
    await expect(over({ ...root, PGSSLMODE: "verify-full" }, byAddress.href)).rejects.toMatchObject(
      { name: "Problem", message: expect.stringContaining("is for another host") },
    );
    // PGHOSTADDR says where, PGHOST whose certificate it is.
    const { port, username, password } = encrypted;
    const parts = { PGPORT: port, PGUSER: username, PGPASSWORD: password, PGDATABASE: "crm" };
    const named = completeUrl(undefined, {
      ...root,
      ...parts,
      PGSSLMODE: "verify-full",
      PGHOST: "localhost",
      PGHOSTADDR: "127.0.0.1",
    });
    expect(await over({}, named)).toBe(true);
  });

  test("system: a certificate that this machine does not know is refused", async () => {
    await expect(over({ PGSSLROOTCERT: "system" })).rejects.toMatchObject({
      name: "Problem",
      message: expect.stringContaining("is not trusted"),
    });
  });

  test("in the URL it goes before the environment", async () => {
    const url = `${encrypted.href}?sslmode=disable`;
    expect(await over({ PGSSLMODE: "require" }, url)).toBe(false);
  });
});

test("migrations, the server, and a pool of TypeScript go by it", async () => {
  const environment = { PGSSLMODE: "verify-full", PGSSLROOTCERT: path("root.crt") };
  const ownerUrl = completeUrl(encrypted.href, environment);
  const serverUrl = deriveServerUrl(ownerUrl);
  await migrateDatabase({ ownerUrl, serverUrl });
  const server = await startTestServer(serverUrl);
  try {
    expect(await server.graphql("{ currentUserId }")).toMatchObject({ status: 200 });
    const { rows } = await withConnection(ownerUrl, (client) =>
      client.query(
        `select bool_and(ssl) as encrypted, count(*)::int as connections
         from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'crm_server'`,
      ),
    );
    expect(rows).toEqual([{ encrypted: true, connections: expect.any(Number) }]);
  } finally {
    await server.close();
  }

  const { port, username, password } = encrypted;
  const pool = createPool({
    host: "localhost",
    port: Number(port),
    database: "crm",
    user: username,
    password,
    ssl: true,
    poolSize: 1,
  });
  const { rows } = await pool.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
  await pool.end();
  expect(rows).toEqual([{ ssl: true }]);
}, 120_000);
