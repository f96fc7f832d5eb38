// SPDX-License-Identifier: Apache-2.0

// How tall an element this browser makes, in CSS pixels, at the present zoom.

import { el } from "../page/dom.js";

const MORE_THAN_ANY_PX = 1e8;
const SAFE_PX = 5_000_000; // where a browser ignores what is too tall, instead of cutting it
const SPARE_PX = 10_000; // what stands above the rows counts too

export function tallestPx() {
  const probe = el("div", { class: "probe-height" });
  const frame = el("div", { class: "probe-frame", "aria-hidden": "true" }, probe);
  document.body.append(frame);
  probe.style.setProperty("height", `${MORE_THAN_ANY_PX}px`);
  const height = probe.getBoundingClientRect().height;
  frame.remove();
  return height > SAFE_PX ? height - SPARE_PX : SAFE_PX;
}
