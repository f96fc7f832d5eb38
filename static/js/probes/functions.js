// SPDX-License-Identifier: Apache-2.0

// Answers of GET /functions (docs/functions.md) and GET /presets (docs/presets.md): what to offer for
// a name, and the modes in which it can be traced.

import { visibleText } from "../format/text.js";

/** The modes that can trace each kind of target (app/probes/spec.py, MODES_OF_KIND). */
const MODES_OF_KIND = {
  function: ["fexit", "kretprobe", "fentry", "kprobe"],
  syscall: ["tracepoint"],
  tracepoint: ["tracepoint"],
  preset: ["fexit", "kretprobe", "fentry", "kprobe", "tracepoint"],
};

/** Return the modes for a kind of target, those that see results first. */
function modesFor(kind) {
  return MODES_OF_KIND[kind] ?? [];
}

/** Return the functions of an answer; what is not one is left out. */
export function functionsOf(answer) {
  const list = Array.isArray(answer?.functions) ? answer.functions : [];
  return list.filter((it) => typeof it?.name === "string" && it.name !== "");
}

/**
 * Return the presets of an answer with this text in their names or titles, in the form of functions:
 * the title and what it shows stand for the signature.
 */
export function presetsOf(answer, text) {
  const list = Array.isArray(answer?.presets) ? answer.presets : [];
  const part = text.toLowerCase();
  return list
    .filter((it) => typeof it?.name === "string" && Array.isArray(it.modes))
    .filter(({ name, title }) => name.includes(part) || title.toLowerCase().includes(part))
    .map(({ name, title, help, modes }) => ({
      name,
      signature: `${title}. ${help}.`,
      module: null,
      modes: Object.fromEntries(modes.map((each) => [each.mode, each])),
    }));
}

/** Return the entries of the list of completions. */
export function offersFor(functions) {
  return functions.map((it) => ({
    insert: it.name,
    help: visibleText([it.signature ?? "", it.module ? `[${it.module}]` : ""].join(" ").trim()),
    kind: "value",
  }));
}

/**
 * Return each mode of a kind, with why it is not available.
 * @param {string} kind
 * @param {?any} found  an entry of an answer; null if unknown
 * @param {Probe[]} probes  those of the modes say what this kernel allows
 * @returns {{mode: string, isAvailable: boolean, reason: string}[]}
 */
export function modesOf(kind, found, probes) {
  return modesFor(kind).map((mode) => {
    const ofKernel = probes.find(({ id }) => id === mode);
    const known = found?.modes?.[mode] ?? ofKernel;
    const isAvailable = known ? known.available !== false : true;
    const reason = isAvailable ? "" : [known.reason, known.hint].filter(Boolean).join(". ");
    return { mode, isAvailable, reason };
  });
}

/**
 * Return what to trace instead of something that no mode can trace, each once.
 * @returns {{kind: string, name: string, note: string}[]}
 */
export function insteadOf(found) {
  const modes = Object.values(found?.modes ?? {});
  if (modes.some(({ available }) => available)) return [];
  const all = modes.flatMap(({ instead = [] }) => instead ?? []);
  return all.filter(
    ({ kind, name }, i) => all.findIndex((it) => it.kind === kind && it.name === name) === i,
  );
}
