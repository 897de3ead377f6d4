/**
 * Grafast reads its environment once, when it is first imported, and says so on the console where
 * there is none. Its development mode is for authors of plans: more checks, less speed. Import this
 * before anything of PostGraphile.
 */
process.env.GRAPHILE_ENV ??= "production";
