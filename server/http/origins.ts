import type { Logger } from "pino";

/** The origins whose pages may send requests from a browser. */
export interface Origins {
  readonly allows: (origin: string) => boolean;
  /** Logs that a page was refused, once for each origin. */
  readonly noteRefusal: (origin: string) => void;
}

/** The settings of {@link createOrigins}. */
export interface OriginRules {
  /** The allowed origins, such as `https://crm.example`. */
  readonly allowedOrigins: readonly string[];
  /** Whether pages of this machine are allowed at any port, as those of a development server. */
  readonly localOrigins: boolean;
  readonly logger: Logger;
}

/** The number of refused origins that are logged. Clients choose them, so the log would have no limit. */
const maxNoted = 100;

/** Creates the rules for pages of other origins. */
export function createOrigins({ allowedOrigins, localOrigins, logger }: OriginRules): Origins {
  const allowed = new Set(allowedOrigins);
  const noted = new Set<string>();
  return {
    allows: (origin) => allowed.has(origin) || (localOrigins && isLocal(origin)),
    noteRefusal(origin) {
      if (noted.has(origin) || noted.size >= maxNoted) return;
      noted.add(origin);
      logger.warn({ origin }, "a page was refused; ALLOWED_ORIGINS names the origins that may ask");
    },
  };
}

/** Returns whether an origin is of the machine of the browser, by its name. */
function isLocal(origin: string): boolean {
  if (!/^https?:/.test(origin) || !URL.canParse(origin)) return false;
  const { hostname } = new URL(origin);
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
