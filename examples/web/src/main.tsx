import "@picocss/pico/css/pico.indigo.min.css";
import "./style.css";
import { useMemo, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "urql";
import { connect } from "./api.ts";
import { ContactForm } from "./contact-form.tsx";
import { ContactPage } from "./contact-page.tsx";
import { ContactTable } from "./contact-table.tsx";

const stored = sessionStorage.getItem("token") ?? import.meta.env.VITE_PGCRM_TOKEN ?? "";

/** Asks for a token, then shows the page that the address names. */
function App() {
  const [{ token, refused }, setSession] = useState({ token: stored, refused: false });
  const signIn = (next: string, refused = false) => {
    sessionStorage.setItem("token", next);
    setSession({ token: next, refused });
  };
  const client = useMemo(() => connect(token, () => signIn("", true)), [token]);
  const [id, action, state] = useRoute();
  if (!token) return <SignIn refused={refused} onToken={signIn} />;
  return (
    <Provider value={client}>
      <header className="container bar">
        <a href="#/">pgcrm</a>
        <button className="outline" onClick={() => signIn("")}>
          Sign out
        </button>
      </header>
      <main className="container" key={id}>
        {!id && <ContactTable state={state} />}
        {id && action !== "edit" && <ContactPage id={id} />}
        {id && action === "edit" && <ContactForm id={id} />}
      </main>
    </Provider>
  );
}

/** The page and its state are in the address: `#/<id>`, `#/<id>/edit`, `#/?search=ada`. */
function useRoute() {
  const hash = useSyncExternalStore(
    (listener) => ((onhashchange = listener), () => (onhashchange = null)),
    () => location.hash,
  );
  const { pathname, searchParams } = new URL(hash.slice(1) || "/", location.origin);
  const [, id, action] = pathname.split("/");
  return [id, action, Object.fromEntries(searchParams)] as const;
}

function SignIn({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) {
  return (
    <form className="container narrow" action={(data) => onToken(String(data.get("token")).trim())}>
      <h1>pgcrm</h1>
      {refused && <p role="alert">The server refused this token.</p>}
      <label htmlFor="token">
        Token, from <code>npx pgcrm token --role member --user ann</code>
      </label>
      <input id="token" name="token" type="password" autoComplete="off" required />
      <button>Sign in</button>
    </form>
  );
}

createRoot(document.getElementById("root")!).render(<App />);
