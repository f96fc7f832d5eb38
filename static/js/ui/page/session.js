// SPDX-License-Identifier: Apache-2.0

// The page's session with the service: signing in, the websocket, and its frames in turn.

import { Backlog } from "../../data/backlog.js";
import { decodeBatch } from "../../data/decode.js";
import { listProbes } from "../../net/api.js";
import { takeFromAddress } from "../../net/credentials.js";
import { Feed } from "../../net/feed.js";
import { CallError } from "../../net/problem.js";
import { SignIn } from "../dialogs/sign_in.js";
import { ConnectionState } from "./connection.js";

/** @import { Intake } from "../../data/intake.js" */
/** @import { Notices } from "./notices.js" */

export class Session {
  #intake;
  #notices;
  #on;
  #signIn = new SignIn(() => this.#connect());
  #backlog = new Backlog(
    (frame) => this.#take(frame),
    (frame) => this.#skip(frame),
  );
  #feed = new Feed(`${location.origin.replace(/^http/, "ws")}/ws`, {
    message: (message) => this.#backlog.push({ message }, 0),
    batch: (bytes) => this.#backlog.push({ bytes }, bytes.byteLength),
    refused: (error) => this.#askForToken(error),
    failure: (error) => this.#reportFrame(error),
    connection: (state) => this.#connectionChanged(state),
  });

  /**
   * @param {{intake: Intake, notices: Notices, say: (words: string) => void}} parts
   * @param {{listed: (answer: any) => void, message: (message: any) => void,
   *   rows: () => void}} on  `listed`: the answer to GET /probes; `message`: a control message of
   *   the websocket; `rows`: the store has new rows
   */
  constructor({ intake, notices, say }, on) {
    this.#intake = intake;
    this.#notices = notices;
    this.#on = on;
    /** Whether the websocket has sent its first message since it was opened. */
    this.isLive = false;
    this.connection = new ConnectionState(() => this.#feed.connect(), say);
  }

  /** @param {?string} token  from the address */
  async start(token) {
    // A link with a token, opened in a tab that has the page already.
    addEventListener("hashchange", () => {
      const another = takeFromAddress(location, history);
      if (another !== null) this.#signIn.use(another);
    });
    if (token === null) await this.#connect();
    else await this.#signIn.use(token);
  }

  async #connect() {
    this.#feed.connect();
    try {
      this.#on.listed(await listProbes());
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (!this.#signIn.ask(error))
        this.#notices.add("The list of probes could not be loaded", error);
    }
  }

  /** A browser does not tell why a websocket was refused; a plain request does. */
  async #askForToken(error) {
    if (error) return void this.#signIn.ask(error);
    try {
      await listProbes();
      this.#signIn.done();
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.#signIn.ask(error);
    }
  }

  #connectionChanged(state) {
    if (state.state !== "open") this.isLive = false;
    if (state.state === "waiting") this.#intake.disconnected();
    this.connection.show(state);
  }

  /** Take a frame of the feed, in its turn: a message or a batch. */
  #take({ message = null, bytes = null }) {
    try {
      if (message) this.#takeMessage(message);
      else if (this.#intake.batch(bytes, performance.now())) this.#on.rows();
    } catch (error) {
      this.#reportFrame(error);
    }
  }

  /** Skip a frame for lack of time. Only batches are skipped: messages are few, and needed. */
  #skip({ message = null, bytes = null }) {
    if (message) return void this.#take({ message });
    try {
      this.#intake.skip(decodeBatch(bytes));
      this.#on.rows();
    } catch (error) {
      this.#reportFrame(error);
    }
  }

  #takeMessage(message) {
    if (message.type === "hello") {
      this.isLive = true;
      this.#intake.hello(message);
      this.#signIn.done();
    }
    this.#on.message(message);
  }

  #reportFrame(error) {
    this.#notices.add("A message from the service was not understood", error);
  }
}
