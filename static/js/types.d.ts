// SPDX-License-Identifier: Apache-2.0
// Types that several modules use, for tsc (`./test lint`).

/** A probe, as in docs/protocol.md. */
type Probe = any;

/** How a column is shown: `presentation` (format/presentation.js). */
type Look = any;

/** A row of the table where events are missing: `EventStore.addGap`. */
interface Gap {
  probe: string;
  where: string;
  rows: number | null;
  from?: string | null;
  to?: string | null;
}

/** A node of a filter's tree: filter/parse.js. */
type FilterNode = any;

/** A compiled filter: `compileFilter`. */
interface CompiledFilter {
  text: string;
  tree: FilterNode | null;
  faults: readonly any[];
  active: boolean;
  select: (chunk: any, start: number, stop: number) => Uint8Array;
}

/** A probe that is not watching: data/watching.js. */
type Incident = any;
