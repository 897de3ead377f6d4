/**
 * Answers requests of administrators that have the header `x-graphql-explain`, as those of the tab Explain in
 * GraphiQL, with the SQL and the plan of the operation in `extensions.explain`. For development.
 */
export const ExplainPlugin: GraphileConfig.Plugin = {
  name: "CrmExplainPlugin",
  version: "1.0.0",
  description: "Explains requests of administrators that ask for it.",
  grafast: {
    middleware: {
      execute(next, { args }) {
        const request = args.requestContext?.node?.req;
        const isAsked = request?.headers["x-graphql-explain"] !== undefined;
        const preset = args.resolvedPreset;
        if (isAsked && preset && request.pgSettings?.role === "crm_admin") {
          args.resolvedPreset = { ...preset, grafast: { ...preset.grafast, explain: true } };
        }
        return next();
      },
    },
  },
};
