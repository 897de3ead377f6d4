// The whole of jest's TypeScript support: Node's own type stripping, which keeps lines and columns.

import { stripTypeScriptTypes } from "node:module";

export default {
  process: (source) => ({ code: stripTypeScriptTypes(source, { mode: "strip" }) }),
};
