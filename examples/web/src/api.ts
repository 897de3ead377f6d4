import { cacheExchange, type CombinedError, createClient, fetchExchange, mapExchange } from "urql";

const server: string = import.meta.env.VITE_PGCRM_URL ?? "http://localhost:5000";

/** Connects to pgcrm; `onRefused` is called when the token is not, or no longer, valid. */
export function connect(token: string, onRefused: () => void) {
  return createClient({
    url: `${server}/graphql`,
    preferGetMethod: false, // so that no personal data is part of a URL
    requestPolicy: "network-only", // each page shows what is true now
    fetchOptions: { headers: { authorization: `Bearer ${token}` } },
    exchanges: [
      mapExchange({ onError: (error) => codeOf(error) === "UNAUTHENTICATED" && onRefused() }),
      cacheExchange, // repeats the queries with types that a mutation changed
      fetchExchange,
    ],
  });
}

/** What docs/reference/errors.md describes. */
const detailsOf = (error?: CombinedError) => error?.graphQLErrors[0]?.extensions ?? {};

export const codeOf = (error?: CombinedError) => detailsOf(error).code;

/** The faults of an input; those of a list include the faults of its elements, such as `emails.1`. */
export function faultsOf(error: CombinedError | undefined, name: string): string[] {
  const fields = (detailsOf(error).fields ?? {}) as Record<string, string[]>;
  return Object.keys(fields).flatMap((path) => (path.split(".")[0] === name ? fields[path] : []));
}

/** One sentence for the user. */
export function messageOf(error: CombinedError): string {
  const later = (detailsOf(error).conflicts ?? []) as { field: string; changedBy: string }[];
  const changes = later.map(({ field, changedBy }) => `${field} by ${changedBy}`);
  const message =
    error.graphQLErrors[0]?.message ?? `${server} does not respond. Is pgcrm running?`;
  return [message, ...changes].join(": ");
}
