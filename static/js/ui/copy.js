// SPDX-License-Identifier: Apache-2.0

// Copying from the table: cells apart by tabs, rows by line ends, as a spreadsheet takes them.

/** Serve `copy` events of the table's body, whose cells are made of several elements. */
export function serveCopy(body) {
  body.addEventListener("copy", (event) => {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed) return;
    const picked = selection.getRangeAt(0).cloneContents();
    const rows = [...picked.querySelectorAll(".row:not([hidden])")];
    const text = rows.length > 0 ? rows.map(rowText).join("\n") : rowText(picked);
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  });
}

function rowText(container) {
  const cells = [...container.querySelectorAll(".cell")].filter(({ textContent }) => textContent);
  if (cells.length === 0) return container.textContent;
  return cells.map(({ textContent }) => textContent).join("\t");
}
