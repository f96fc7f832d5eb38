// SPDX-License-Identifier: Apache-2.0
// Shapes that come from elsewhere or are made in several places, for tsc (`./test lint`).

/** A probe, as in docs/protocol.md. */
type Probe = any;

/** How a column is shown: `presentation` (format/presentation.js). */
type Look = any;

/** What is missing at a place of the table: `EventStore.mark`. */
interface Gap {
  probe: string;
  where: string;
  rows: number | null;
  from?: string | null;
  to?: string | null;
}

/** A node of a filter's tree: filter/parse.js. */
type FilterNode = any;

/** A filter in force: `compileFilter`. */
interface CompiledFilter {
  text: string;
  tree: FilterNode | null;
  faults: readonly any[];
  active: boolean;
  select: (chunk: any, start: number, stop: number) => Uint8Array;
}

/** A probe that does not watch: data/watching.js. */
type Incident = any;
