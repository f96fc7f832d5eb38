// SPDX-License-Identifier: Apache-2.0

// A tree of `parse` as text again, in one way: `parse(print(tree))` is the same tree but for
// the positions.

import { valueText, wordOf } from "./terms.js";

/** @param {?object} tree */
export function print(tree) {
  return tree ? printed(tree) : "";
}

function printed(node) {
  if (node.type === "word") return wordOf(node.text);
  if (node.type === "term")
    return `${node.name}${node.operator}${valueText(node.operator, node.value, node.isGlob)}`;
  if (node.type === "not") return `not ${part(node.part, ["and", "or"])}`;
  const wrapped = node.type === "and" ? ["and", "or"] : ["or"];
  return node.parts.map((it) => part(it, wrapped)).join(` ${node.type} `);
}

function part(node, wrapped) {
  return wrapped.includes(node.type) ? `(${printed(node)})` : printed(node);
}
