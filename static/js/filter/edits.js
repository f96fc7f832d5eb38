// SPDX-License-Identifier: Apache-2.0

// The tests that must all hold, as pieces of the filter's text, and changes of one of them
// that leave the others as they were typed.

/** The outermost tests joined by `and`: nodes of the tree. */
export function conjuncts(tree) {
  if (tree === null) return [];
  return isBare(tree, "and") ? tree.parts : [tree];
}

/** Whether the tree is such a list, without parentheses around it. */
function isBare(tree, type) {
  return tree.type === type && tree.start === tree.parts[0].start;
}

/** The text with one more test. */
export function withTerm({ text, tree }, term) {
  if (tree === null) return term;
  const before = text.trim();
  return isBare(tree, "or") ? `(${before}) and ${term}` : `${before} and ${term}`;
}

/** The text without these of its conjuncts. */
export function withoutTerms({ text, tree }, removed) {
  const all = conjuncts(tree);
  let kept = "";
  let end = null; // of the conjunct before, when it is kept
  for (const node of all) {
    if (removed.includes(node)) continue;
    const before = all[all.indexOf(node) - 1];
    if (end !== null) kept += before && before.end === end ? text.slice(end, node.start) : " and ";
    kept += text.slice(node.start, node.end);
    end = node.end;
  }
  return kept;
}

/** The text with another test in the place of one of its conjuncts. */
export function withTermReplaced({ text }, node, term) {
  return text.slice(0, node.start) + term + text.slice(node.end);
}
