import type { IncomingMessage } from "node:http";

/** The query in a new tab of GraphiQL. */
const firstQuery = `# The book on the left documents every type and field.

query Pipeline {
  pipelineStages {
    nodes {
      name
      probability
      deals {
        totalCount
        aggregates {
          sum {
            value
          }
        }
      }
    }
  }
}
`;

type RuruConfig = NonNullable<GraphileConfig.Preset["ruru"]>;
type RuruClientConfig = NonNullable<RuruConfig["clientConfig"]>;

/**
 * Puts a token into the headers of new tabs of GraphiQL. GraphiQL queries the schema before it reads them,
 * so requests of the page without a token get it, too.
 *
 * Only a browser on this machine receives the token, and only for a host name that always means this
 * machine. Otherwise a page of another site could read it, by a DNS name that resolves to this machine.
 */
export function createGraphiqlPlugin(token: string): GraphileConfig.Plugin {
  const headers = JSON.stringify({ authorization: `Bearer ${token}` });
  const withToken = `<script>
    const plainFetch = window.fetch;
    window.fetch = (url, options) =>
      plainFetch(url, { ...options, headers: { ...${headers}, ...options?.headers } });
  </script>`;
  return {
    name: "CrmGraphiqlPlugin",
    version: "1.0.0",
    description: "Gives GraphiQL a token, on this machine only.",
    grafserv: {
      middleware: {
        ruruHTML(next, event) {
          const { config, htmlParts, request } = event;
          if (isOfThisMachine(request.requestContext.node?.req)) {
            config.clientConfig = {
              ...config.clientConfig,
              initialHeaders: headers,
              defaultHeaders: headers,
              defaultQuery: firstQuery,
            } as RuruClientConfig;
            htmlParts.headerScripts += withToken;
          }
          return next();
        },
      },
    },
  };
}

/** Headers that a proxy adds. */
const headersOfProxies = ["forwarded", "via", "x-real-ip", "x-client-ip", "cf-connecting-ip"];

/**
 * Returns whether a request is from a browser on this machine, and directly to it. A proxy without such
 * headers is recognised by HTTP 1.0, which many use for the servers behind them.
 */
function isOfThisMachine(request: IncomingMessage | undefined): boolean {
  if (request === undefined) return false;
  const { socket, headers, httpVersion } = request;
  const isProxied = Object.keys(headers).some(
    (name) => headersOfProxies.includes(name) || name.startsWith("x-forwarded-"),
  );
  return (
    !isProxied &&
    httpVersion !== "1.0" &&
    /^(::1|(::ffff:)?127\..*)$/.test(socket.remoteAddress ?? "") &&
    /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(headers.host ?? "")
  );
}
