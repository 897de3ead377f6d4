import { defineConfig } from "pgcrm/server";

/** The additions of this application to pgcrm. */
export default defineConfig({
  // Your schemas, which are served in addition to `crm`; db/migrations creates them.
  schemas: ["shop"],
  // PostGraphile 5 plugins, which run after those of pgcrm.
  plugins: [],
  // Values of settings that neither the environment nor .env defines.
  settings: { PORT: "5000" },
  hooks: {
    routes(app) {
      app.get("/hello", (_request, response) => void response.json({ hello: "world" }));
    },
  },
});
