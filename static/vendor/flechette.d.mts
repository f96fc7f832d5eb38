// SPDX-License-Identifier: Apache-2.0
// Ours: what tsc is told of the library, whose own types are not vendored.
export const Column: any;
export const Table: any;
export const TimeUnit: any;
export const Type: any;
export const Version: any;
export const batchType: any;
export const bool: any;
export const field: any;
export const int32: any;
export const int64: any;
export const tableFromIPC: any;
export const tableToIPC: any;
export const timestamp: any;
export const uint32: any;
export const uint64: any;
export const utf8: any;
