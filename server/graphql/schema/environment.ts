/**
 * Sets the production mode of Grafast, which reads its environment when it is first imported, and logs a
 * warning if it is not set. Its development mode is slower, with checks for authors of plans. Import this
 * file before any of PostGraphile.
 */
process.env.GRAPHILE_ENV ??= "production";
