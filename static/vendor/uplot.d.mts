// SPDX-License-Identifier: Apache-2.0
// Ours: what tsc is told of the library, whose own types are not vendored.
declare const uPlot: any;
export default uPlot;
