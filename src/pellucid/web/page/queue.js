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

// Gives a picture to one piece of work, and stops what was at work on it: a picture has one at a time. Returns the work's signal.
export function own(entry) {
  entry.controller?.abort();
  entry.controller = new AbortController();
  return entry.controller.signal;
}

// Ends the work of a signal on a picture; whether the picture was its own to the end.
export function release(entry, signal) {
  if (entry.controller?.signal !== signal) return false;
  entry.controller = null;
  return true;
}

// Does work on a picture when its turn comes. Resolves once it is over: whether it was done, and neither stopped nor failed.
export function enqueue(entry, work) {
  const signal = own(entry);
  const over = new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(false), { once: true });
    waiting.push({ entry, work, signal, resolve });
  });
  if (running >= AT_ONCE || presence.away) progress(entry, { state: presence.away ? "away" : "queued", done: 0 });
  next();
  return over;
}

export function next() {
  while (running < AT_ONCE && waiting.length && !presence.away) {
    const job = waiting.shift();
    const { entry, work, signal, resolve } = job;
    if (signal.aborted) continue;
    running++;
    const ended = work(signal).then(() => ({ done: true }), async (error) => ({ done: false, again: await fail(entry, error, signal) }));
    ended.then(({ done, again }) => {
      running--;
      if (again && !signal.aborted) waiting.unshift(job);
      else {
        release(entry, signal);
        resolve(done);
      }
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
    const there = await presence.look();
    const readable = await entry.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    if (signal.aborted) return false;
    if (!there) {
      progress(entry, { state: "away" });
      return true;
    }
    if (readable && ++entry.tries < TRIES) return true;
    if (!readable) error = new Error("the file cannot be read any more: it was moved, changed or deleted; add it again");
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
  enqueue(entry, (signal) => (entry.details ? restore(entry, signal, quiet) : begin(entry, signal)));
}
