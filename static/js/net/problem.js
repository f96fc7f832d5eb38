// SPDX-License-Identifier: Apache-2.0

// Errors of API calls: problem+json (RFC 9457), and failures without it.

/** A failed call; `message` is for the user, `code` is the problem's. */
export class CallError extends Error {
  constructor(
    message,
    { status = 0, code = "unreachable", notes = [], errors = [], alternatives = [] } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    /** More sentences: the kernel's reason, the hint, the error of each field. */
    this.notes = notes;
    /** The problem's `errors`: `{field, message, near?, position?}`. */
    this.errors = errors;
    /** The modes that work instead. */
    this.alternatives = alternatives;
  }
}

/** @param {number} status  @param {?Record<string, any>} problem  the body, null if it is not problem+json */
export function problemError(status, problem) {
  if (!problem)
    return new CallError(`The service answered ${status} without a reason.`, { status });
  const faults = (problem.errors ?? []).map(fault);
  const detail = problem.detail || problem.title || `The service answered ${status}.`;
  // The detail repeats the field errors as one text, for clients that ignore the list.
  const message = faults.length > 0 ? "The service rejected the request" : detail;
  const notes = [];
  if (problem.reason && problem.reason !== message) notes.push(problem.reason);
  if (problem.hint) notes.push(problem.hint);
  if (problem.alternatives?.length)
    notes.push(`Available here: ${problem.alternatives.join(", ")}.`);
  notes.push(...faults);
  return new CallError(message, {
    status,
    code: problem.code,
    notes,
    errors: problem.errors ?? [],
    alternatives: problem.alternatives ?? [],
  });
}

/** Return one of `errors` as text; without a field it is about the whole body. */
function fault({ field, message }) {
  return field ? `${field}: ${message}` : message;
}
