import { describe, expect, test } from "@jest/globals";

import { useTarget } from "./target.ts";

const target = useTarget();

const query = JSON.stringify({ query: "{ currentUserId }" });

type Headers = Record<string, string | undefined>;

/**
 * A request, byte for byte. The headers that make it a good one stand below those that are given; one
 * that is undefined is left out.
 */
function request(line: string, headers: Headers = {}, body = query): string {
  const all: Headers = {
    host: "crm.example",
    authorization: target.authorization,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return [line, ...lines, "", body].join("\r\n");
}

const post = (headers?: Headers, body?: string) => request("POST /graphql HTTP/1.1", headers, body);
const to = (path: string) => request(`POST ${path} HTTP/1.1`);
const by = (method: string, body = "") => request(`${method} /graphql HTTP/1.1`, {}, body);
const chunked = (body: string, headers: Headers = {}) =>
  post({ "content-length": undefined, "transfer-encoding": "chunked", ...headers }, body);
const goodChunks = `${query.length.toString(16)}\r\n${query}\r\n0\r\n\r\n`;

/** What comes of a request: the statuses of its answers, none where the connection is just closed. */
type Case = [name: string, statuses: number[], send: () => string | string[]];

async function expectStatuses(...[, statuses, send]: Case): Promise<void> {
  const parts = send();
  const answer = await target.send(...(Array.isArray(parts) ? parts : [parts]));
  expect(answer.statuses).toEqual(statuses);
}

test.each<Case>([
  ["a good request", [200], () => post()],
  ["a good request in pieces", [200], () => post().match(/[^]{1,40}/g) ?? []],
  ["a good request in chunks", [200], () => chunked(goodChunks)],
])("%s is answered", expectStatuses);

describe("methods", () => {
  test.each<Case>([
    ["GET without a query", [400], () => by("GET")],
    ["HEAD", [400], () => by("HEAD")],
    ["PUT", [405], () => by("PUT", query)],
    ["PATCH", [405], () => by("PATCH", query)],
    ["DELETE", [405], () => by("DELETE")],
    ["OPTIONS", [405], () => by("OPTIONS")],
    ["TRACE", [405], () => by("TRACE")],
    ["PROPFIND", [405], () => by("PROPFIND")],
    ["QUERY", [405], () => by("QUERY", query)],
    ["CONNECT", [], () => by("CONNECT")],
    ["a method that there is not", [400], () => by("STEAL")],
    ["a method in lower case", [400], () => by("post", query)],
    ["a method of 10 kilobytes", [400], () => by("P".repeat(10_000))],
    ["no method", [400], () => request("/graphql HTTP/1.1")],
  ])("%s", expectStatuses);
});

describe("lines and versions", () => {
  test.each<Case>([
    ["nothing", [408], () => ""],
    ["an empty line only", [408], () => "\r\n"],
    ["a TLS greeting", [400], () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["an HTTP/2 greeting", [400], () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/0.9", [401], () => "GET /graphql\r\n\r\n"],
    ["HTTP/9.9", [400], () => request("POST /graphql HTTP/9.9")],
    ["no version", [200], () => request("POST /graphql")],
    ["another protocol", [400], () => request("POST /graphql FTP/1.1")],
    ["a message of SSH", [400], () => "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
    ["a startup message of PostgreSQL", [400], () => "\0\0\0\x08\x04\xd2\x16\x2f\r\n\r\n"],
    ["lines that end without CR", [400], () => post().replaceAll("\r\n", "\n")],
    ["a line folded onto the next", [400], () => post({ accept: "application/json\r\n , */*" })],
  ])("%s", expectStatuses);
});

describe("paths", () => {
  test.each<Case>([
    ["the root", [404], () => to("/")],
    ["somewhere", [404], () => to("/nowhere")],
    ["two slashes", [404], () => to("//graphql")],
    ["a slash behind", [404], () => to("/graphql/")],
    ["a path behind", [404], () => to("/graphql/x")],
    ["upper case", [404], () => to("/GRAPHQL")],
    ["a dot", [404], () => to("/./graphql")],
    ["two dots", [404], () => to("/x/../graphql")],
    ["two dots out of the root", [404], () => to("/../../etc/passwd")],
    ["encoded dots", [404], () => to("/%2e%2e/graphql")],
    ["encoded dots twice", [404], () => to("/%252e%252e/graphql")],
    ["encoded slashes", [404], () => to("/%2fgraphql")],
    ["an encoded letter", [404], () => to("/%67raphql")],
    ["backslashes", [404], () => to("/..\\..\\graphql")],
    ["an encoded NUL", [404], () => to("/graphql%00")],
    ["NUL", [400], () => to("/graphql\0")],
    ["a broken encoding", [404], () => to("/%zz")],
    ["a broken encoding behind", [404], () => to("/graphql/%")],
    ["a semicolon", [404], () => to("/graphql;a=b")],
    ["a fragment", [404], () => to("/graphql#/../x")],
    ["UTF-8 that is too long", [404], () => to("/%c0%ae%c0%ae/graphql")],
    ["a path of 20 kilobytes", [431], () => to(`/${"a".repeat(20_000)}`)],
    ["a whole URL", [200], () => to("http://crm.example/graphql")],
    ["the URL of somebody else", [200], () => to("http://evil.example/graphql")],
    ["an asterisk", [404], () => to("*")],
    ["no slash", [400], () => to("graphql")],
    ["files of the project", [404], () => to("/package.json")],
    ["a file of git", [404], () => to("/.git/config")],
    ["the metrics, which are off", [404], () => to("/metrics")],
    ["GraphiQL's files, which are off", [404], () => to("/ruru-static/x.js")],
    ["the event stream, which is off", [404], () => to("/graphql/stream")],
    ["a mutation in the query string", [200], () => to("/graphql?query=mutation{__typename}")],
    ["a prototype in the query string", [200], () => to("/graphql?__proto__[x]=1")],
  ])("%s", expectStatuses);
});

describe("headers", () => {
  test.each<Case>([
    ["no host", [400], () => post({ host: undefined })],
    ["two hosts, neither of which is used", [200], () => post({ host: "a", Host: "b" })],
    ["a host with a line break", [400], () => post({ host: "a\rb" })],
    ["no content type", [400], () => post({ "content-type": undefined })],
    ["an empty content type", [400], () => post({ "content-type": "" })],
    ["text", [415], () => post({ "content-type": "text/plain" })],
    ["a form", [415], () => post({ "content-type": "application/x-www-form-urlencoded" })],
    ["parts", [415], () => post({ "content-type": "multipart/form-data; boundary=x" })],
    ["XML", [415], () => post({ "content-type": "application/xml" })],
    ["GraphQL as it is", [415], () => post({ "content-type": "application/graphql" })],
    ["JSON of another kind", [415], () => post({ "content-type": "application/json-seq" })],
    ["two content types", [200], () => post({ "Content-Type": "text/plain" })],
    [
      "two content types in one",
      [415],
      () => post({ "content-type": "text/plain, application/json" }),
    ],
    ["JSON in UTF-16", [200], () => post({ "content-type": "application/json; charset=utf-16" })],
    [
      "JSON in a charset that there is not",
      [200],
      () => post({ "content-type": "application/json; charset=x" }),
    ],
    [
      "JSON with quotes that do not end",
      [200],
      () => post({ "content-type": 'application/json; charset="' }),
    ],
    ["a body that is said to be compressed", [200], () => post({ "content-encoding": "gzip" })],
    ["a coding that there is not", [200], () => post({ "content-encoding": "x" })],
    ["an accept that cannot be met", [406], () => post({ accept: "image/png" })],
    ["an accept that cannot be read", [406], () => post({ accept: '"' })],
    ["an accept of 10 kilobytes", [200], () => post({ accept: "a/b,".repeat(2500) + "*/*" })],
    ["a header of 20 kilobytes", [431], () => post({ x: "a".repeat(20_000) })],
    [
      "2000 headers",
      [431],
      () => post(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`x${i}`, "abcdefg"]))),
    ],
    ["a header without a colon", [400], () => post().replace("\r\n", "\r\nnonsense\r\n")],
    ["a header with a space before its colon", [400], () => post({ "x ": "y" })],
    ["a header with NUL", [400], () => post({ x: "a\0b" })],
    ["a header with a control character", [400], () => post({ x: "a\x01b" })],
    ["a header called __proto__", [200], () => post({ ["__proto__x".slice(0, 9)]: "y" })],
    ["an expectation", [100, 200], () => post({ expect: "100-continue" })],
    ["an expectation that there is not", [417], () => post({ expect: "miracles" })],
    ["another method by a header", [200], () => post({ "x-http-method-override": "DELETE" })],
    ["another path by a header", [200], () => post({ "x-original-url": "/metrics" })],
    ["a forwarded host", [200], () => post({ "x-forwarded-host": "evil.example" })],
    ["an address by a header", [200], () => post({ "x-forwarded-for": "127.0.0.1, ::1, x'--" })],
    ["an origin of somebody else", [200], () => post({ origin: "https://evil.example" })],
    ["a cookie", [200], () => post({ cookie: "a=b; __proto__=c" })],
    [
      "an upgrade to WebSocket",
      [405],
      () =>
        post({
          connection: "close, upgrade",
          upgrade: "websocket",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          "sec-websocket-version": "13",
        }),
    ],
    [
      "an upgrade to HTTP/2",
      [200],
      () =>
        post({
          connection: "close, upgrade, http2-settings",
          upgrade: "h2c",
          "http2-settings": "",
        }),
    ],
    ["a range", [200], () => post({ range: "bytes=0-1" })],
    ["a condition", [200], () => post({ "if-none-match": "*" })],
  ])("%s", expectStatuses);
});

describe("lengths and chunks", () => {
  const and = (second: string) => post({ connection: "keep-alive" }) + second;
  test.each<Case>([
    ["no length", [400], () => post({ "content-length": undefined, connection: "keep-alive" })],
    [
      "a length that is too short",
      [400],
      () => post({ "content-length": "10", connection: "keep-alive" }),
    ],
    ["a length that is too long", [408], () => post({ "content-length": "1000" })],
    ["a length below zero", [400], () => post({ "content-length": "-1" })],
    ["a length that is no number", [400], () => post({ "content-length": "1e3" })],
    ["a length with a plus", [400], () => post({ "content-length": "+29" })],
    ["a length in hexadecimal", [400], () => post({ "content-length": "0x1d" })],
    ["a length that no number holds", [400], () => post({ "content-length": "9".repeat(40) })],
    ["two lengths", [400], () => post({ "Content-Length": "3" })],
    ["two lengths in one", [400], () => post({ "content-length": "29, 29" })],
    ["a length of one terabyte", [413], () => post({ "content-length": "1000000000000" })],
    ["a length and chunks", [400], () => post({ "transfer-encoding": "chunked" })],
    ["chunks twice", [400], () => chunked(goodChunks, { "transfer-encoding": "chunked, chunked" })],
    [
      "chunks that are not the last coding",
      [400],
      () => chunked(goodChunks, { "transfer-encoding": "chunked, gzip" }),
    ],
    ["a coding that there is not", [400], () => chunked(goodChunks, { "transfer-encoding": "x" })],
    ["an obscured coding", [400], () => chunked(goodChunks, { "transfer-encoding": "\vchunked" })],
    ["a chunk without a length", [400], () => chunked("\r\n\r\n")],
    ["a chunk whose length is no number", [400], () => chunked("zz\r\n\r\n")],
    ["a chunk whose length is below zero", [400], () => chunked("-1\r\n\r\n")],
    ["a chunk whose length no number holds", [400], () => chunked(`${"f".repeat(20)}\r\nx\r\n`)],
    ["a chunk that is longer than it says", [400], () => chunked(`1\r\n${query}\r\n0\r\n\r\n`)],
    ["chunks that do not end", [408], () => chunked(goodChunks.replace(/0\r\n\r\n$/, ""))],
    [
      "an extension of a chunk of 20 kilobytes",
      [413],
      () => chunked(`1;${"x".repeat(20_000)}\r\n{\r\n0\r\n\r\n`),
    ],
    [
      "a trailer that forges a header",
      [200],
      () => chunked(goodChunks.replace(/\r\n$/, "authorization: x\r\n\r\n")),
    ],
    ["two requests at once", [200, 200], () => and(post())],
    ["a bad request behind a good one", [400], () => and("nonsense\r\n\r\n")],
    ["a request inside a body", [400], () => post({}, post())],
    ["a request behind the end", [400], () => post() + post()],
    [
      "50 requests at once",
      Array.from({ length: 50 }, () => 200),
      () => and("").repeat(49) + post(),
    ],
    ["headers that do not end", [408], () => ["POST /graphql HTTP/1.1\r\n", "host: x\r\n", "a: "]],
    [
      "a byte at a time, for ever",
      [408],
      () => post({}, "").replace("\r\n\r\n", "\r\nx: ").split(""),
    ],
  ])("%s", expectStatuses);
});

test("a connection that waits for its next request has longer than a request has", async () => {
  const pause = Array.from({ length: 300 }, () => ""); // of 5 ms each; a request has 500 ms
  const answer = await target.send(post({ connection: "keep-alive" }), ...pause, post());
  expect(answer.statuses).toEqual([200, 200]);
});
