import { type FormEvent, useEffect, useState } from "react";
import { type CombinedError, useClient, useQuery } from "urql";
import { codeOf, faultsOf, messageOf } from "./api.ts";
import * as api from "./generated/graphql.ts";

type Contact = NonNullable<api.ContactToEditQuery["contact"]>;
type Name = keyof typeof labels;
type Values = Record<Name, string>;

const labels = {
  firstName: "First name",
  lastName: "Last name",
  emails: "Emails, with commas between them",
  phones: "Phones, with commas between them",
  companyId: "Company",
};
const names = Object.keys(labels) as Name[];
const noCompany = { id: "", name: "None" };

const each = (value: (name: Name) => string) =>
  Object.fromEntries(names.map((name) => [name, value(name)])) as Values;

/** What stands in the inputs. */
const toValues = (contact?: Contact) => each((name) => [contact?.[name] ?? ""].flat().join(", "));

/** What is sent of it. */
const toInput = ({ emails, phones, companyId, ...others }: Values) => ({
  ...others,
  emails: split(emails),
  phones: split(phones),
  companyId: companyId || null,
});

const split = (text: string) => text.match(/[^,\s]([^,]*[^,\s])?/g) ?? [];

/** A form that changes the contact with an id, or creates one if the id is `new`. */
export function ContactForm({ id }: { id: string }) {
  const [{ data, error }] = useQuery({
    query: api.ContactToEditDocument,
    variables: { id },
    pause: id === "new",
  });
  if (error) return <p role="alert">{messageOf(error)}</p>;
  if (data?.contact || id === "new") return <Editor contact={data?.contact ?? undefined} />;
  return <p role="status">{data ? "There is no such contact." : "Loading …"}</p>;
}

function Editor({ contact }: { contact?: Contact }) {
  const client = useClient();
  const [row, setRow] = useState(contact); // as it is now, as far as this page knows
  const [base, setBase] = useState(toValues(contact)); // what this user began with
  const [values, setValues] = useState(base); // what this user entered
  const [error, setError] = useState<CombinedError>();
  const [{ data: choices }] = useQuery({ query: api.CompanyChoicesDocument });
  const choice = [noCompany, row?.company ?? noCompany, ...(choices?.companies.nodes ?? [])];
  const companies = new Map(choice.map(({ id, name }) => [id, name]));
  const theirs = toValues(row);
  const disputed = names.filter((n) => theirs[n] !== base[n] && theirs[n] !== values[n]);
  const keep = (name: Name) => setBase({ ...base, [name]: theirs[name] });
  const set = (name: Name, value: string) => setValues({ ...values, [name]: value });
  useEffect(() => document.querySelector<HTMLElement>("[aria-invalid]")?.focus(), [error]);

  async function save(event: FormEvent) {
    event.preventDefault();
    const contact = toInput(values);
    const patch = { ...contact, version: row?.version };
    const { data, error } = row
      ? await client.mutation(api.UpdateContactDocument, { id: row.id, patch })
      : await client.mutation(api.CreateContactDocument, { contact });
    if (row && codeOf(error) === "CONFLICT") await readAgain(row);
    setError(error);
    if (data?.saved) location.hash = `#/${data.saved.contact.id}`;
  }

  /** Another user was faster. What this user did not touch follows; the rest is disputed. */
  async function readAgain({ id }: Contact) {
    const { data } = await client.query(api.ContactToEditDocument, { id });
    if (!data?.contact) return;
    const now = toValues(data.contact);
    const follow = (mine: Values) => each((n) => (values[n] === base[n] ? now[n] : mine[n]));
    setRow(data.contact);
    setBase(follow(base));
    setValues(follow(values));
  }

  return (
    <form className="narrow" onSubmit={save} noValidate>
      <h1>{row ? "Edit contact" : "New contact"}</h1>
      {error && <p role="alert">{messageOf(error)}</p>}
      {names.map((name) => {
        const faults = faultsOf(error, name);
        const isDisputed = disputed.includes(name);
        const input = {
          id: name,
          value: values[name],
          onChange: (event: { target: { value: string } }) => set(name, event.target.value),
          "aria-invalid": faults.length > 0 || isDisputed || undefined,
          "aria-describedby": `${name}-notes`,
        };
        return (
          <div key={name}>
            <label htmlFor={name}>{labels[name]}</label>
            {name !== "companyId" && <input {...input} />}
            {name === "companyId" && (
              <select {...input}>
                {[...companies].map(([id, name]) => (
                  <option key={id} value={id} label={name} />
                ))}
              </select>
            )}
            <small id={`${name}-notes`}>
              {faults.join("; ")}
              {isDisputed && `${row?.updatedBy}: ${companies.get(theirs[name]) ?? theirs[name]}`}
            </small>
            {isDisputed && (
              <div role="group">
                <button type="button" className="outline" onClick={() => keep(name)}>
                  Keep mine
                </button>
                <button type="button" className="outline" onClick={() => set(name, theirs[name])}>
                  Take theirs
                </button>
              </div>
            )}
          </div>
        );
      })}
      <button disabled={disputed.length > 0}>Save</button>{" "}
      <a role="button" className="outline" href={row ? `#/${row.id}` : "#/"}>
        Cancel
      </a>
    </form>
  );
}
