// SPDX-License-Identifier: Apache-2.0

// What the service sent when it was asked (tests/support/answers.py): the tests of the page are
// fed with it, and a Python test checks that the service still sends it in this shape.

import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("../../vectors/answers/", import.meta.url);

/** @param {string} name  of a file there  @returns {any} each time another copy */
export const recorded = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER)));

/** The names of all problem documents. */
export const problems = () =>
  readdirSync(FOLDER)
    .filter((file) => file.startsWith("problem_"))
    .map((file) => file.replace(".json", ""));
