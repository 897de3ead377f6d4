import { type ReactNode } from "react";
import { useMutation, useQuery } from "urql";
import { messageOf } from "./api.ts";
import * as api from "./generated/graphql.ts";

type Contact = NonNullable<api.ContactPageQuery["contact"]>;
type Facts = [name: string, value: ReactNode][];
type Changes = Record<string, { old: unknown; new: unknown }>;

const formatDay = (time: string) => new Date(time).toLocaleDateString([], { dateStyle: "medium" });

/** A contact with all that belongs to it, in one request. */
export function ContactPage({ id }: { id: string }) {
  const [{ data, error }] = useQuery({ query: api.ContactPageDocument, variables: { id } });
  if (error) return <p role="alert">{messageOf(error)}</p>;
  if (!data?.contact)
    return <p role="status">{data ? "There is no such contact." : "Loading …"}</p>;
  const { firstName, lastName, emails, phones, company, ownerId, ...lists } = data.contact;
  const cards: Record<string, Facts> = {
    Contact: [
      ["Emails", emails.join(", ")],
      ["Phones", phones.join(", ")],
      ["Company", company && `${company.name} (${company.contacts.totalCount} contacts)`],
      ["Owner", ownerId],
    ],
    Deals: lists.deals.nodes.map(({ title, value, currency, stage }) => {
      const amount = Number(value).toLocaleString([], { style: "currency", currency });
      return [title, `${amount} · ${stage}`];
    }),
    Notes: lists.notes.nodes.map(({ createdBy, createdAt, content }) => {
      return [`${createdBy}, ${formatDay(createdAt)}`, content];
    }),
  };
  return (
    <>
      <div className="bar">
        <h1>{`${firstName} ${lastName}`}</h1>
        <a role="button" href={`#/${id}/edit`}>
          Edit
        </a>
      </div>
      <div className="columns">
        <div>
          {Object.entries(cards).map(([title, facts]) => (
            <article key={title}>
              <h2>{title}</h2>
              {facts.length > 0 ? <FactList facts={facts} /> : "None"}
            </article>
          ))}
        </div>
        <History entries={lists.history.nodes} />
      </div>
    </>
  );
}

/** Who changed what, newest first. An entry can be undone unless its fields were changed again. */
function History({ entries }: { entries: Contact["history"]["nodes"] }) {
  const [{ error }, undo] = useMutation(api.UndoEntryDocument);
  const touching = { additionalTypenames: ["Contact"] }; // the response itself has none
  return (
    <article>
      <h2>History</h2>
      {error && <p role="alert">{messageOf(error)}</p>}
      <ol>
        {entries.map(({ entryId, userId, timestamp, action, changes }) => (
          <li key={entryId}>
            <span>
              <strong>{userId}</strong> {action}d <small>{formatDay(timestamp)}</small>
            </span>
            <button className="outline" onClick={() => undo({ entryId }, touching)}>
              Undo
            </button>
            {action === "update" && <FactList facts={toFacts(changes as Changes)} />}
          </li>
        ))}
      </ol>
    </article>
  );
}

function toFacts(changes: Changes): Facts {
  const fields = Object.entries(changes).filter(([field]) => !field.startsWith("@")); // @undoes
  return fields.map(([field, change]) => {
    const [before, after] = [change.old, change.new].map((value) => String(value ?? "") || "—");
    const name = field.replace("custom_fields.", "").replaceAll("_", " ");
    return [name, [<del key="old">{before}</del>, " → ", <ins key="new">{after}</ins>]];
  });
}

function FactList({ facts }: { facts: Facts }) {
  return (
    <dl>
      {facts.map(([name, value], i) => (
        <div key={i}>
          <dt>{name}</dt>
          <dd>{value || "—"}</dd>
        </div>
      ))}
    </dl>
  );
}
