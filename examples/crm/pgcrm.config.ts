import { defineConfig } from "pgcrm/server";

/** What this application adds to pgcrm. */
export default defineConfig({
  // Schemas of yours that are served besides `crm`; db/migrations makes them.
  schemas: ["shop"],
  // Plugins of PostGraphile 5, after those of pgcrm.
  plugins: [],
  // What settings count as where neither the environment nor .env has them.
  settings: { PORT: "5000" },
  hooks: {
    routes(app) {
      app.get("/hello", (_request, response) => void response.json({ hello: "world" }));
    },
  },
});
