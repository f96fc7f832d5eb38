// SPDX-License-Identifier: Apache-2.0

// Writes a snapshot slice by slice, so that the page stays responsive.

/** @import { Snapshot } from "./snapshot.js" */

const BUSY_MS = 12; // maximum time without letting the page draw a frame

/**
 * @param {Snapshot} snapshot
 * @param {{load: () => Promise<any>, mediaType: string}} format  of `FORMATS`
 * @param {{signal?: AbortSignal, progress?: (done: number) => void}} options  `done`: events written
 * @returns {Promise<Blob>}
 * @throws {DOMException} AbortError if the signal is aborted
 */
export async function writeExport(snapshot, format, { signal, progress = () => {} } = {}) {
  const Writer = await format.load();
  const writer = new Writer(snapshot.columns);
  const yieldToPage = yielder(signal);
  const blobs = [new Blob(writer.begin(snapshot))];
  for (let from = 0; from < snapshot.length; from += Writer.rowsAtOnce) {
    await yieldToPage();
    const to = Math.min(snapshot.length, from + Writer.rowsAtOnce);
    // A blob per slice: its bytes are not in the scripts' memory.
    blobs.push(new Blob(await writer.slice(snapshot, from, to, yieldToPage)));
    progress(to);
  }
  signal?.throwIfAborted();
  blobs.push(new Blob(writer.end(snapshot)));
  return new Blob(blobs, { type: format.mediaType });
}

function yielder(signal) {
  let since = performance.now();
  return async () => {
    signal?.throwIfAborted();
    if (performance.now() - since < BUSY_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    since = performance.now();
    signal?.throwIfAborted();
  };
}
