import { type FormEvent, useEffect, useRef } from "react";
import { useQuery } from "urql";
import { messageOf } from "./api.ts";
import { type ContactOrderBy, ContactTableDocument } from "./generated/graphql.ts";

type State = { [name in "search" | "company" | "sort" | "after" | "before"]?: string };

const pageSize = 20;
/** What a click on the header of a column sorts by. */
const columns = { Name: "LAST_NAME", Company: "COMPANY_NAME", Emails: "", Changed: "UPDATED_AT" };
const arrows = { none: "", ascending: " ↑", descending: " ↓" };
const show = (state: State) => location.replace(`#/?${new URLSearchParams({ ...state })}`);

/** The contacts: searched, filtered, sorted, page by page. The address holds the state. */
export function ContactTable({ state }: { state: State }) {
  const { search = "", company = "", sort = "", after, before } = state;
  const [{ data, error, fetching }] = useQuery({
    query: ContactTableDocument,
    variables: {
      search,
      filter: company ? { companyExists: company === "with" } : null,
      // Without an order, the best hits of a search come first, otherwise the newest contacts.
      orderBy: sort ? [sort as ContactOrderBy] : null,
      ...(before ? { last: pageSize, before } : { first: pageSize, after }),
    },
  });
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const find = ({ currentTarget }: FormEvent<HTMLFormElement>) => {
    const sought = Object.fromEntries(new FormData(currentTarget));
    clearTimeout(timer.current);
    timer.current = setTimeout(show, 200, { ...sought, sort });
  };
  const { nodes = [], totalCount, pageInfo } = data?.contacts ?? {};
  // The server looks for more rows in the direction of the page; behind it is where we came from.
  const previous = (pageInfo?.hasPreviousPage || after) && pageInfo?.startCursor;
  const next = (pageInfo?.hasNextPage || before) && pageInfo?.endCursor;
  const turn = (cursor: State) => show({ search, company, sort, ...cursor });
  return (
    <>
      <div className="bar">
        <h1>Contacts</h1>
        <span role="status">{data && `${totalCount} found`}</span>
        <a role="button" href="#/new/edit">
          New contact
        </a>
      </div>
      <form role="search" onChange={find} onSubmit={(e) => e.preventDefault()}>
        <input type="search" name="search" defaultValue={search} aria-label="Search contacts" />
        <select name="company" defaultValue={company} aria-label="Filter by company">
          <option value="">All contacts</option>
          <option value="with">With a company</option>
          <option value="without">Without a company</option>
        </select>
      </form>
      {error && <p role="alert">{messageOf(error)}</p>}
      <div className="overflow-auto">
        <table aria-busy={fetching}>
          <thead>
            <tr>
              {Object.entries(columns).map(([title, order]) => {
                const [up, down] = [`${order}_ASC`, `${order}_DESC`];
                const next = sort === up ? down : sort === down ? "" : up;
                const sorted = sort === up ? "ascending" : sort === down ? "descending" : "none";
                const sortBy = () => show({ search, company, sort: next });
                return (
                  <th key={title} aria-sort={sorted}>
                    {order ? <button onClick={sortBy}>{title + arrows[sorted]}</button> : title}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {nodes.map(({ id, firstName, lastName, company, emails, updatedAt }) => (
              <tr key={id}>
                <td>
                  <a href={`#/${id}`}>{`${firstName} ${lastName}`}</a>
                </td>
                <td>{company?.name}</td>
                <td>{emails.join(", ")}</td>
                <td>{new Date(updatedAt).toLocaleDateString([], { dateStyle: "medium" })}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div role="group" aria-label="Pages">
        <button
          className="outline"
          disabled={!previous}
          onClick={() => turn({ before: previous || "" })}
        >
          ← Previous
        </button>
        <button disabled={!next} onClick={() => turn({ after: next || "" })}>
          Next →
        </button>
      </div>
    </>
  );
}
