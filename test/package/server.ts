// An application that starts the server itself; compiled against the types of the package.
import { createServer, defineConfig } from "pgcrm/server";

const extension = defineConfig({
  plugins: [{ name: "EmptyPlugin", version: "1.0.0" }],
  hooks: { routes: (app) => void app.get("/hello", (_request, response) => void response.end()) },
});
const server = await createServer({ settings: process.env, extension });
await server.ready;
const listening = await server.listen(0, "127.0.0.1");
console.log(JSON.stringify(listening.address()));
await server.close();
