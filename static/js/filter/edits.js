// SPDX-License-Identifier: Apache-2.0

// The conjuncts of a filter as parts of its text, and edits of one that keep the others as typed.

/** Return the outermost tests joined by `and`: nodes of the tree. */
export function conjuncts(tree) {
  if (tree === null) return [];
  return isBare(tree, "and") ? tree.parts : [tree];
}

/** Whether the tree is a list of this type without parentheses around it. */
export function isBare(tree, type) {
  return tree.type === type && tree.start === tree.parts[0].start;
}

/** Return the text with another test added. */
export function withTerm({ text, tree }, term) {
  if (tree === null) return term;
  const before = text.trim();
  return isBare(tree, "or") ? `(${before}) and ${term}` : `${before} and ${term}`;
}

/** Return the text without these conjuncts. */
export function withoutTerms({ text, tree }, removed) {
  const all = conjuncts(tree);
  let kept = "";
  let end = null; // of the previous kept conjunct
  for (const node of all) {
    if (removed.includes(node)) continue;
    const before = all[all.indexOf(node) - 1];
    if (end !== null) kept += before && before.end === end ? text.slice(end, node.start) : " and ";
    kept += text.slice(node.start, node.end);
    end = node.end;
  }
  return kept;
}

/** Return the text with one of its conjuncts replaced. */
export function withTermReplaced({ text }, node, term) {
  return text.slice(0, node.start) + term + text.slice(node.end);
}
