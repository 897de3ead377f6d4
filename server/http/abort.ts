/*
 * Grafast aborts a signal after each operation. To create the usual reason, an error with its stack, takes 5 %
 * of the time of a small request, so there is one for all.
 */
const reason = new DOMException("This operation was aborted", "AbortError");
const { prototype } = AbortController;
// eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with the instance
const { abort } = prototype;
prototype.abort = function (given: unknown = reason) {
  abort.call(this, given);
};
