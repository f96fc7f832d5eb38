// SPDX-License-Identifier: Apache-2.0

// Not a module, and in the head: the theme is known before anything is drawn. ui/page/theme.js
// switches it.

(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("probedeck.theme");
  } catch {
    // Storage is forbidden: the system's theme, then.
  }
  const isKnown = choice === "light" || choice === "dark";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = isKnown ? choice : system;
})();
