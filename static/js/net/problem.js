// SPDX-License-Identifier: Apache-2.0

// problem+json (RFC 9457) and other failures of a call, in words.

/** A call that did not succeed; `message` is for people, `code` is the problem's. */
export class CallError extends Error {
  constructor(message, { status = 0, code = "unreachable", notes = [] } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    /** Further sentences: the kernel's reason, what would help, each fault of a field. */
    this.notes = notes;
  }
}

/** @param {number} status  @param {?Record<string, any>} problem  the body, null when it is no problem+json */
export function problemError(status, problem) {
  if (!problem)
    return new CallError(`The service answered ${status} without a reason.`, { status });
  const faults = (problem.errors ?? []).map(fault);
  const detail = problem.detail || problem.title || `The service answered ${status}.`;
  // The detail strings the faults together, for those who read no list.
  const message = faults.length > 0 ? "The service rejected the request" : detail;
  const notes = [];
  if (problem.reason && problem.reason !== message) notes.push(problem.reason);
  if (problem.hint) notes.push(problem.hint);
  if (problem.alternatives?.length)
    notes.push(`Available here: ${problem.alternatives.join(", ")}.`);
  notes.push(...faults);
  return new CallError(message, { status, code: problem.code, notes });
}

/** One of `errors`; without a field it is about the body as a whole. */
function fault({ field, message }) {
  return field ? `${field}: ${message}` : message;
}
