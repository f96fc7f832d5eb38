// SPDX-License-Identifier: Apache-2.0

// The API calls that the page makes. Each throws CallError.

import { credentials } from "./credentials.js";
import { CallError, problemError } from "./problem.js";

/** Return all probes, and the kernel they run on. */
export const listProbes = () => call("GET", "/probes");

/** @param {string} id  @param {object} spec  `filter` and `duration_s`, as in docs/protocol.md */
export const startProbe = (id, spec = {}) => call("POST", probePath(id), spec);

export const stopProbe = (id) => call("DELETE", probePath(id));

export const changeFilter = (id, filter) => call("PATCH", probePath(id), { filter });

/** @param {string} id  @param {?string} where  a filter; null for none */
export const changeWhere = (id, where) => call("PATCH", probePath(id), { where });

/**
 * Search functions, system calls and tracepoints.
 * @param {string} q  in the language of docs/functions.md  @param {string} kind
 * @param {AbortSignal} signal
 */
export const searchFunctions = (q, kind, limit, signal) =>
  call("GET", `/functions?${new URLSearchParams({ q, kind, limit })}`, undefined, { signal });

/** Return the presets, with what each traces here. @param {AbortSignal} signal */
export const listPresets = (signal) => call("GET", "/presets", undefined, { signal });

/** Re-check which modes the kernel supports. */
export const askAvailability = () => call("POST", "/availability");

/** Return the newest entries of the audit log, oldest first; operators only. */
export const auditEntries = (limit) => call("GET", `/audit?limit=${limit}`);

/**
 * Return users by uid and by name, at most 100 of each; unknown ones are omitted.
 * @returns {Promise<{uid: number, name: string, aliases: string[]}[]>}
 */
export async function listUsers(uids, names) {
  const query = new URLSearchParams();
  for (const uid of uids) query.append("uid", uid);
  for (const name of names) query.append("name", name);
  return (await call("GET", `/users?${query}`)).users;
}

function probePath(id) {
  return `/probes/${encodeURIComponent(id)}`;
}

/**
 * @param {string} method  @param {string} path  @param {object} [body]
 * @param {{isRetry?: boolean, signal?: AbortSignal}} [options]
 */
async function call(method, path, body, { isRetry = false, signal } = {}) {
  const headers = { Accept: "application/json", ...(await credentials.authorization()) };
  const response = await send(method, path, headers, body, signal);
  const type = response.headers.get("Content-Type") ?? "";
  const answer = /^application\/(problem\+)?json\b/.test(type) ? await readJson(response) : null;
  // The call was refused before it had any effect, so a retry is safe for every method.
  if (answer?.code === "session_over" && !isRetry) {
    credentials.leave(headers.Authorization);
    return call(method, path, body, { isRetry: true, signal });
  }
  if (!response.ok) throw problemError(response.status, answer);
  if (!answer) throw new CallError(`The response to ${method} ${path} is not JSON.`);
  return answer;
}

async function send(method, path, headers, body, signal) {
  // Bypass the cache: it may hold answers of another program that once used this port.
  /** @type {any} */
  const options = { method, headers, redirect: "error", cache: "no-store", signal };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, options);
  } catch (error) {
    throw new CallError("The service cannot be reached. Check that it is running.", {
      notes: [error.message],
    });
  }
}

async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new CallError("The response of the service is truncated or not JSON.", {
      status: response.status,
      notes: [error.message],
    });
  }
}
