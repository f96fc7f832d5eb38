// SPDX-License-Identifier: Apache-2.0

// A test in words: "Process is rm".

import { visibleText } from "../format/text.js";
import { operatorOf } from "./operators.js";

/** @import { Names } from "./column_names.js" */

/** @param {FilterNode} node  of the tree  @param {Names} names  @param {string} text  the filter's */
export function describe(node, names, text) {
  if (node.type === "word") return `Some text contains ${visibleText(node.text)}`;
  if (node.type !== "term") return visibleText(text.slice(node.start, node.end));
  const title = names.find(node.name)[0]?.title ?? node.name;
  return `${title} ${operatorOf(node.operator).says} ${visibleText(node.value) || "empty"}`;
}
