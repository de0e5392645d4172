// Keeps the page's pictures in this browser: which parts of them, when, and how they come back.

import { list, show } from "./list.js";
import { choose } from "./looking.js";
import { $, defaults, page, picture, say, warn } from "./page.js";
import { clips, history } from "./parts.js";
import { next, restoreAgain } from "./queue.js";
import { Store } from "./store.js";

// Pictures are kept by their numbers, from 1; clips by numbers below this one, which is that of the steps to be taken back.
const HISTORY = 0;
const MOST = 50; // steps that are kept
const tags = new WeakMap();
let written = 0; // how often the steps were kept
let tagged = 0;

// A number for an object: the same for the same one.
function tag(object) {
  if (!object) return 0;
  if (!tags.has(object)) tags.set(object, ++tagged);
  return tags.get(object);
}

// All that is kept of a picture. `of` is a copy: settings change, results do not.
export function recordOf(entry) {
  const { file, name, state, words, shown, details, task, steps, trust, preview, thumb } = entry;
  const of = Object.fromEntries(Object.entries(entry.of).map(([each, { settings, result }]) => [each, { settings: { ...settings }, result }]));
  return { file, name, state, words, shown, details, task, of, steps, trust, preview, thumb, wanted: Boolean(entry.controller || entry.due) };
}

// Gives a picture what was kept of it; settings that this service does not know are left out.
export function fill(entry, { of = {}, wanted, task, place, ...kept }) {
  Object.assign(entry, kept);
  entry.task = page.service.tasks.some((each) => each.name === task) ? task : page.task.name;
  for (const each of page.service.tasks) {
    const known = Object.entries(of[each.name]?.settings || {}).filter(([option]) => each.options.some((one) => one.name === option));
    entry.of[each.name] = { settings: { ...defaults(each), ...Object.fromEntries(known) }, result: of[each.name]?.result || null };
  }
  entry.done = null;
  if (entry.state !== "failed" || wanted) {
    entry.state = entry.result ? "restored" : entry.details ? "measured" : "new";
    entry.words = "";
  }
}

export function keep(entry) {
  if (!page.store || page.leaving || !page.pictures.includes(entry)) return;
  const own = Object.entries(entry.of).map(([name, { settings: values, result }]) => [name, Object.values(values).map((value) => (value instanceof File ? tag(value) : value)), tag(result), result && tag(result.blended)]);
  const busy = Boolean(entry.controller);
  const print = JSON.stringify([entry.task, busy || entry.state, !busy && entry.words, entry.steps, entry.trust, Boolean(entry.details), tag(entry.thumb), own]);
  page.store.keep(entry.id, print, () => recordOf(entry), entry.state === "restored" && !busy);
}

export function keepPage() {
  if (page.store && !page.leaving && page.service) page.store.set("page", { order: page.pictures.map((entry) => entry.id), chosen: page.chosen ? page.chosen.id : null });
}

// The steps that can be taken back after a reload: those about pictures that are there, so that what was removed is gone for good.
export function keepHistory() {
  if (!page.store || page.leaving || !page.service) return;
  const there = new Set(page.pictures.map((entry) => entry.id));
  const whole = (states) => [...states].every(([number]) => there.has(number));
  const [past, future] = [history.past, history.future].map((steps) => steps.filter(whole).slice(-MOST).map((states) => [...states]));
  if (past.length || future.length) page.store.keep(HISTORY, `${++written}`, () => ({ past, future }), false);
  else if (page.store.has(HISTORY)) page.store.forget(HISTORY);
}

export function keepClip(number, clip) {
  if (!page.store || page.leaving) return;
  if (clip) page.store.keep(number, JSON.stringify([clip.task, clip.steps, tag(clip.answer)]), () => ({ ...clip }), Boolean(clip.answer));
  else page.store.forget(number);
}

// The pictures and clips of the last time, as they were; what was not done goes on.
export async function remembered() {
  const { order = [], chosen: last = null } = (await page.store.get("page")) || {};
  const all = await page.store.all();
  const found = new Map(all.filter(([number]) => number > HISTORY));
  page.count = Math.max(0, ...found.keys());
  const numbers = [...order.filter((number) => found.has(number)), ...[...found.keys()].filter((number) => !order.includes(number))];
  const going = [];
  for (const number of numbers) {
    const state = found.get(number);
    if (!state.file) continue;
    const entry = picture(state.file, number);
    fill(entry, state);
    page.pictures.push(entry);
    list(entry);
    if (state.wanted || (entry.state === "new" && !entry.words)) going.push(entry);
  }
  const { past = [], future = [] } = new Map(all).get(HISTORY) || {};
  Object.assign(history, { past: past.map((states) => new Map(states)), future: future.map((states) => new Map(states)) });
  for (const [number, clip] of all.filter(([each]) => each < HISTORY).reverse()) if (clip.file) clips.again(number, clip);
  show();
  if (page.pictures.length) choose(page.pictures.find((entry) => entry.id === last) || page.pictures[0]);
  for (const entry of going) restoreAgain(entry);
}

export async function openStore() {
  const { store: opened, reason } = await Store.open();
  page.store = opened;
  $("memory").textContent = reason || "This browser remembers the pictures and what was made of them until you remove them.";
  if (!page.store) return;
  page.store.onChange = (busy) => Object.assign(document.documentElement.dataset, { kept: busy ? "no" : "yes", pictures: page.store.size });
  page.store.onFull = () => {
    const words = "This browser has no room to remember all of these pictures: download what is done before you leave the page.";
    if ($("memory").textContent === words) return;
    $("memory").textContent = words;
    warn(words);
  };
  addEventListener("beforeunload", (event) => {
    page.store.flush();
    // A picture that was added a moment ago is not kept yet.
    if (!page.pictures.every((entry) => page.store.has(entry.id))) event.preventDefault();
  });
}

export function turnedAway(away) {
  $("away").hidden = !away;
  document.documentElement.dataset.service = away ? "away" : "there";
  if (away) return;
  say("The service is back.");
  warn("");
  next();
}
