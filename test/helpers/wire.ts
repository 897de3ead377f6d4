import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";

/** Stands between a client and PostgreSQL, and takes down what the client sends. */
export interface Wire {
  /** The URL to connect to instead of the database's own. */
  readonly url: string;
  /**
   * The types of the messages sent so far: P(arse), B(ind), D(escribe), E(xecute), S(ync), Q(uery)
   * …
   */
  readonly messages: string[];
  close(): void;
}

/**
 * Opens a wire to a database.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export async function tapWire(databaseUrl: string): Promise<Wire> {
  const { hostname, port } = new URL(databaseUrl);
  const messages: string[] = [];
  const server = createServer((client) => {
    const database = connect(Number(port), hostname);
    client.on("error", () => database.destroy());
    database.on("error", () => client.destroy());
    client.on("data", reader(messages));
    client.pipe(database).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: wirePort } = server.address() as AddressInfo;
  const url = new URL(databaseUrl);
  url.port = String(wirePort);
  url.searchParams.set("sslmode", "disable"); // what it takes down begins with the first message
  return {
    url: url.href,
    messages,
    close: () => server.close(),
  };
}

/** Cuts a stream into messages. The first has no type; each of the others begins with one. */
function reader(messages: string[]): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  let isFirst = true;
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const typeLength = isFirst ? 0 : 1;
      if (pending.length < typeLength + 4) return;
      const length = typeLength + pending.readUInt32BE(typeLength);
      if (pending.length < length) return;
      if (!isFirst) messages.push(pending.toString("latin1", 0, 1));
      isFirst = false;
      pending = pending.subarray(length);
    }
  };
}
