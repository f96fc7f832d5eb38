// SPDX-License-Identifier: Apache-2.0

// A filter's tree as text: in the filter language, and in words.

import { visibleText } from "../format/text.js";
import { operatorOf } from "./operators.js";
import { valueText, wordOf } from "./terms.js";

/** @import { ColumnNames } from "./column_names.js" */

/**
 * Print a tree of `parse` in its canonical form: `parse(print(tree))` is the same tree except for
 * positions.
 * @param {?object} tree
 */
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

/**
 * Describe a node in words: "Process is rm".
 * @param {FilterNode} node  @param {ColumnNames} names  @param {string} text  the filter's
 */
export function describe(node, names, text) {
  if (node.type === "word") return `Any text contains ${visibleText(node.text)}`;
  if (node.type !== "term") return visibleText(text.slice(node.start, node.end));
  const title = names.find(node.name)[0]?.title ?? node.name;
  return `${title} ${operatorOf(node.operator).says} ${visibleText(node.value) || "empty"}`;
}
