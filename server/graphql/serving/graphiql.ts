import type { IncomingMessage } from "node:http";

import type { TokenRole } from "../../auth/token.ts";

/** A token for each role, which GraphiQL sends. */
export type GraphiqlTokens = Readonly<Record<TokenRole, string>>;

/** The query in a new tab of GraphiQL. It returns data in an empty database, too. */
export const firstQuery = `# The pipeline and the newest companies.
# Ctrl-Enter runs it, Ctrl-Space completes names.
# The book on the left documents all types.
# "Run as", above, chooses your rights.
# No companies? Run: npx pgcrm demo

query FirstLook {
  # Sums need an exchange rate per currency.
  pipelineStages {
    nodes {
      name
      kind
      deals {
        totalCount
        aggregates {
          sum {
            valueInBaseCurrency
          }
        }
      }
    }
  }

  # Related rows come in the same request.
  companies(orderBy: CREATED_AT_DESC, first: 5) {
    totalCount
    nodes {
      name
      contacts(first: 3) {
        nodes {
          firstName
          lastName
        }
      }
      # Every change is in the history.
      history(first: 3) {
        nodes {
          action
          userId
          timestamp
        }
      }
    }
  }
}
`;

const titleTag = "<title>pgcrm</title>";

/** An icon in the page itself, so that the browser requests none. */
const icon = `<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">' +
    '<rect width="16" height="16" rx="3" fill="#2f6f8f"/>' +
    '<circle cx="8" cy="5.5" r="2.5" fill="#fff"/>' +
    '<path d="M3 13.5a5 4.5 0 0 1 10 0z" fill="#fff"/></svg>',
)}" />`;

/** Hides the button of a tab that Ruru shows even if the server explains nothing. */
const withoutExplain = `<style>[aria-label="Show Explain"] { display: none; }</style>`;

type RuruConfig = NonNullable<GraphileConfig.Preset["ruru"]>;
type RuruClientConfig = NonNullable<RuruConfig["clientConfig"]>;

/** What the page of GraphiQL has for everyone, on every machine. */
export const graphiqlPage: RuruConfig = {
  clientConfig: { defaultQuery: firstQuery, schemaDescription: true } as RuruClientConfig,
  htmlParts: {
    titleTag,
    metaTags: (original) => original + icon,
    styleTags: (original) => original + withoutExplain,
  },
};

/**
 * Gives GraphiQL a token for each role, a menu that chooses one, and the tab that explains a request. The
 * requests of the page have the chosen token, unless its headers contain another.
 *
 * Only a browser on this machine receives the tokens, and only for a host name that always means this
 * machine. Otherwise a page of another site could read them, by a DNS name that resolves to this machine.
 */
export function createGraphiqlPlugin(tokens: GraphiqlTokens): GraphileConfig.Plugin {
  return {
    name: "CrmGraphiqlPlugin",
    version: "1.0.0",
    description:
      "Gives GraphiQL tokens, on this machine only; explains requests of administrators.",
    grafserv: {
      middleware: {
        ruruHTML(next, { htmlParts, request }) {
          if (isOfThisMachine(request.requestContext.node?.req)) {
            htmlParts.styleTags = htmlParts.styleTags.replace(withoutExplain, "");
            htmlParts.headerScripts += headerScript(tokens);
            htmlParts.bodyContent += menu;
          }
          return next();
        },
      },
    },
  };
}

const menu = `
  <style>
    #run-as { position: fixed; top: 6px; right: 76px; z-index: 1; font: 14px sans-serif; color: #5a6b7b; }
    #run-as select { font: inherit; color: inherit; padding: 2px; }
  </style>
  <label id="run-as">Run as
    <select>
      <option value="admin">administrator</option>
      <option value="member">member</option>
      <option value="reader">reader</option>
    </select>
  </label>
  <script>
    const roleMenu = document.querySelector("#run-as select");
    roleMenu.value = chosenRole();
    roleMenu.addEventListener("change", () => localStorage.setItem("pgcrm:role", roleMenu.value));
  </script>`;

/** Returns the script that adds the token of the chosen role to the requests of the page. */
function headerScript(tokens: GraphiqlTokens): string {
  return `<script>
    RURU_CONFIG.debugTools = ["explain", "plan"];
    const tokens = ${JSON.stringify(tokens)};
    const chosenRole = () => {
      const role = localStorage.getItem("pgcrm:role");
      return Object.hasOwn(tokens, role) ? role : "admin";
    };
    const plainFetch = window.fetch;
    window.fetch = (url, options) => {
      const headers = new Headers();
      // Names differ by capitals: one by one, the last of a name counts; together, they would be joined.
      const given = options?.headers ?? {};
      const pairs = given[Symbol.iterator] ? given : Object.entries(given);
      for (const [name, value] of pairs) headers.set(name, value);
      if (!headers.has("authorization")) {
        headers.set("authorization", "Bearer " + tokens[chosenRole()]);
      }
      return plainFetch(url, { ...options, headers });
    };
  </script>`;
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
