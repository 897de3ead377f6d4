import type { IncomingMessage } from "node:http";

/** What a new tab of GraphiQL begins with. */
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
 * GraphiQL's tabs begin with the token in their headers. It asks for the schema before it has read
 * them, so a request of the page that carries no token gets it too.
 *
 * Only a browser of this machine is given the token, and only under a name that nobody else can give
 * the machine: otherwise a page from elsewhere could read it.
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
    description: "Gives GraphiQL a token, on this machine.",
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

/** Headers by which a proxy tells that there is one. */
const headersOfProxies = ["forwarded", "via", "x-real-ip", "x-client-ip", "cf-connecting-ip"];

/**
 * Whether a browser of this machine asks, and asks this machine. A proxy that says nothing of itself is
 * recognised by the old protocol that many speak to what they stand before.
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
