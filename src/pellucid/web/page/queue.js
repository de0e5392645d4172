// The work on pictures: a few at a time, in their order, with words on how it goes; what fails, and what waits for the service.

import { Cancelled } from "./api.js";
import { refresh, show } from "./list.js";
import { page, taskOf, warn } from "./page.js";
import { presence } from "./parts.js";
import { begin, restore } from "./requests.js";

const AT_ONCE = 2; // pictures that are sent at a time
const TRIES = 3; // of a request whose connection broke
const waiting = [];
let running = 0;

export function enqueue(entry, work) {
  entry.controller = new AbortController();
  const { signal } = entry.controller;
  waiting.push({ entry, work, signal });
  if (running >= AT_ONCE || presence.away) progress(entry, { state: presence.away ? "away" : "queued", done: 0 });
  next();
}

export function next() {
  while (running < AT_ONCE && waiting.length && !presence.away) {
    const { entry, work, signal } = waiting.shift();
    if (signal.aborted) continue;
    running++;
    work(signal).then(() => false, (error) => fail(entry, error, signal)).then((again) => {
      running--;
      if (again && !signal.aborted) waiting.unshift({ entry, work, signal });
      else if (entry.controller && entry.controller.signal === signal) entry.controller = null;
      refresh(entry);
      show();
      next();
    });
  }
}

export function stop(entry) {
  entry.due = false;
  if (!entry.controller) return;
  entry.controller.abort();
  entry.controller = null;
  entry.state = entry.result ? "restored" : entry.details ? "measured" : "failed";
  entry.words = entry.state === "failed" ? "cancelled" : "";
  refresh(entry);
}

// Says what went wrong; whether the work is to be done again.
async function fail(entry, error, signal) {
  if (error instanceof Cancelled || signal.aborted || page.leaving) return false;
  if (error.status === 0) {
    if (!(await presence.look())) {
      progress(entry, { state: "away" });
      return true;
    }
    try {
      await entry.file.slice(0, 1).arrayBuffer();
      if (++entry.tries < TRIES) return true;
    } catch {
      error = new Error("the file cannot be read any more: it was moved, changed or deleted; add it again");
    }
  }
  entry.state = "failed";
  // The picture's name stands before the message.
  entry.words = error.message.replace(/^the picture: /, "");
  warn(`${entry.name}: ${entry.words}`);
  return false;
}

export const STATES = {
  queued: () => "waiting for its turn",
  away: () => "waits for the service",
  receiving: ({ done }) => `sending, ${Math.round(done * 100)} %`,
  waiting: ({ ahead }) => (ahead ? `waiting, ${ahead} ahead` : "waiting"),
  working: () => "working",
  sending: () => "receiving",
  busy: () => "the service is busy; trying again",
};

export function progress(entry, state) {
  if (!entry.controller) return;
  const work = entry.state === "measuring" ? "Measuring" : taskOf(entry).verbs[1];
  const working = state.state === "working";
  entry.words = working ? `${work}${state.done ? `, ${Math.round(state.done * 100)} %` : "…"}` : STATES[state.state](state);
  entry.done = working && state.done ? state.done : null;
  refresh(entry);
}

export function restoreAgain(entry, quiet = false) {
  enqueue(entry, (signal) => (entry.details ? restore(entry, signal, quiet) : begin(entry)));
}
