// SPDX-License-Identifier: Apache-2.0

// The start options as typed -> the spec that the service takes (docs/protocol.md, "Starting"). The
// service validates again; here each field gets its own error.

/** The minimum and maximum that the kernel accepts. */
export const LIMITS = {
  pid: [1, 4_194_304],
  uid: [0, 4_294_967_294],
};
export const MAX_COMM_BYTES = 15;
const MAX_DURATION_S = 86_400;

/**
 * @param {{pid: string, uid: string, process: string, comm: string, only_failures: boolean,
 *   duration: string, restart: boolean, columns: ?string[]}} typed  `columns` are names, null for
 *   the usual ones
 * @returns {{spec: object, errors: Object<string, string>}} `spec.filter` has every member, null
 *   for an empty field, so that it can also replace the filter of a running probe
 */
export function parseOptions(typed) {
  const errors = {};
  const filter = {
    pid: wholeNumber("pid", typed.pid, errors),
    uid: wholeNumber("uid", typed.uid, errors),
    process: typed.process || null,
    comm: typed.comm || null,
    only_failures: typed.only_failures,
  };
  for (const name of ["process", "comm"]) {
    if (new TextEncoder().encode(typed[name]).length > MAX_COMM_BYTES) {
      errors[name] = `Too long: the kernel keeps ${MAX_COMM_BYTES} bytes of a name.`;
    }
  }
  const spec = { filter };
  const duration = typed.duration.trim();
  if (duration) {
    const seconds = Number(duration);
    if (!(seconds > 0 && seconds <= MAX_DURATION_S)) {
      errors.duration = `Enter seconds: more than 0, at most ${MAX_DURATION_S} (one day).`;
    }
    spec.duration_s = seconds;
  }
  if (typed.restart) spec.restart = true;
  if (typed.columns) spec.columns = typed.columns;
  return { spec, errors };
}

function wholeNumber(name, typed, errors) {
  const digits = typed.trim();
  if (!digits) return null;
  const [low, high] = LIMITS[name];
  const value = Number(digits);
  if (!/^\d+$/.test(digits) || value < low || value > high) {
    errors[name] = `Enter a whole number from ${low} to ${high}.`;
  }
  return value;
}

/** Describe a filter's parts, for the card: ["pid 12", "failures only"]. */
export function filterWords(filter) {
  if (!filter) return [];
  const words = [];
  if (filter.pid !== null) words.push(`pid ${filter.pid}`);
  if (filter.uid !== null) words.push(`uid ${filter.uid}`);
  if (filter.process !== null) words.push(`process ${filter.process}`);
  if (filter.comm !== null) words.push(`thread ${filter.comm}`);
  if (filter.only_failures) words.push("failures only");
  return words;
}

/** Whether the probe sees return values, so that "failures only" applies. */
export function seesReturn(probe) {
  return probe.columns.some((column) => column.name === "ret");
}
