// Resolves imports without an extension, which Relay's compiler writes, as a bundler does.

import { registerHooks } from "node:module";

registerHooks({
  resolve: (specifier, context, next) =>
    next(/^\.\/\w+\.graphql$/.test(specifier) ? `${specifier}.ts` : specifier, context),
});
