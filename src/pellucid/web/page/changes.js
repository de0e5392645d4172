// Steps that can be taken back: pictures added and removed, settings changed, another task, one look for all.

import { PLACED } from "./form.js";
import { fill, recordOf } from "./keeping.js";
import { list, refresh, settings, show } from "./list.js";
import { choose, look } from "./looking.js";
import { placedOptions, showMarks } from "./marks.js";
import { $, page, picture, say, warn } from "./page.js";
import { clips, form, history, viewer } from "./parts.js";
import { enqueue, restoreAgain, stop } from "./queue.js";
import { begin, shareOf, stale } from "./requests.js";
import { persist } from "./store.js";

// How pictures are now, by their numbers; null for one that is not there.
export function statesOf(numbers) {
  return new Map(numbers.map((number) => {
    const entry = page.pictures.find((each) => each.id === number);
    return [number, entry ? { ...recordOf(entry), place: page.pictures.indexOf(entry) } : null];
  }));
}

// Makes pictures what they were: with their results, and what was asked for then is asked for again.
export function turnTo(states) {
  const again = [];
  let back = null; // the first picture that is there again
  for (const [number, state] of states) {
    const there = page.pictures.find((each) => each.id === number);
    if (!state) {
      if (there) away(there);
      continue;
    }
    const entry = there || picture(state.file, number);
    if (there) stop(entry);
    fill(entry, state);
    if (!there) {
      page.pictures.splice(Math.min(state.place, page.pictures.length), 0, entry);
      list(entry, page.pictures[page.pictures.indexOf(entry) + 1]);
      back ??= entry;
    }
    if (state.wanted || (entry.state === "new" && !entry.words)) again.push(entry);
  }
  if (back) choose(back);
  if (page.chosen && states.has(page.chosen.id)) {
    useTask(page.chosen.task);
    settings();
    showMarks();
    viewer.setStrength(shareOf(page.chosen));
    look(true);
  }
  for (const number of states.keys()) {
    const entry = page.pictures.find((each) => each.id === number);
    if (entry) refresh(entry);
  }
  for (const entry of again) restoreAgain(entry, true);
  show();
}

export function add(files) {
  const given = [...files].filter((file) => file instanceof File);
  if (!given.length || !page.task) return;
  warn("");
  for (const file of given.filter((each) => clips.takes(each))) clips.add(file, { task: page.task.name, steps: page.chosen ? page.chosen.steps : "" });
  const chosenFiles = given.filter((each) => !clips.takes(each));
  persist();
  if (!chosenFiles.length) return;
  const added = chosenFiles.map((file) => picture(file));
  page.pictures.push(...added);
  for (const entry of added) list(entry);
  history.record(new Map(added.map((entry) => [entry.id, null])));
  show();
  if (!page.chosen || page.chosen.state === "failed") choose(added[0]);
  say(`${added.length} ${added.length === 1 ? "picture" : "pictures"} added.`);
  for (const entry of added) enqueue(entry, (signal) => begin(entry, signal));
}

// Takes a picture out of the list.
function away(entry) {
  stop(entry);
  const place = page.pictures.indexOf(entry);
  const focused = entry.item.root.contains(document.activeElement);
  page.pictures.splice(place, 1);
  entry.item.root.remove();
  page.store?.forget(entry.id);
  const beside = page.pictures[Math.min(place, page.pictures.length - 1)] || null;
  if (focused) beside?.item.root.lastElementChild.focus();
  if (page.chosen === entry) choose(beside);
  show();
}

// Removes pictures, as one step.
export function remove(entries) {
  const before = statesOf(entries.map((entry) => entry.id));
  for (const entry of entries) away(entry);
  history.record(before);
  say(entries.length === 1 ? `${entries[0].name} removed.` : `${entries.length} pictures removed.`);
}

export function undo() {
  if (history.undo()) say("Undone.");
}

export function redo() {
  if (history.redo()) say("Done again.");
}

let moving = null; // how the picture was when a slider was taken hold of

export function changed(name, value, finished) {
  if (!page.chosen) return;
  const entry = page.chosen;
  const values = entry.settings;
  if (!moving || moving.name !== name || !moving.states.has(entry.id)) moving = { name, value: values[name], states: statesOf([entry.id]) };
  values[name] = value;
  viewer.setStrength(shareOf(entry));
  if (finished) {
    const { value: before, states } = moving;
    moving = null;
    if (before !== value) history.record(states);
    settings();
    showMarks();
  }
  refresh(entry);
}

// Other steps, or the wish to see how far off the result may be: it is done at once.
export function chosenSteps(text, trust) {
  if (!page.chosen) return;
  const entry = page.chosen;
  history.record(statesOf([entry.id]));
  stop(entry);
  Object.assign(entry, { steps: text, trust });
  settings();
  refresh(entry);
  restoreAgain(entry, true);
}

// Whether a setting belongs to one picture alone: what is placed or painted on it.
const ofPicture = (option) => option.painted || option.kinds.every((kind) => PLACED.includes(kind));

// The settings of the chosen picture for all others, as one step; what is placed on a picture stays with it.
export function applyToAll() {
  const others = page.pictures.filter((entry) => entry !== page.chosen);
  const { name } = page.task;
  const before = statesOf(others.map((entry) => entry.id));
  const own = page.task.options.filter(ofPicture).map((option) => option.name);
  for (const entry of others) {
    if (entry.task !== name) giveTask(entry, name);
    const place = entry.of[name];
    place.settings = { ...page.chosen.settings, ...Object.fromEntries(own.map((each) => [each, place.settings[each]])) };
    Object.assign(entry, { steps: page.chosen.steps, trust: page.chosen.trust });
  }
  history.record(before);
  // Work under way was asked for with the settings before; a picture that waits takes these when its turn comes.
  for (const entry of others) if (entry.controller && entry.state === "restoring") stop(entry);
  const again = others.filter((entry) => !entry.controller && (stale(entry) || entry.state === "failed" || !entry.result));
  for (const entry of others) refresh(entry);
  for (const entry of again) restoreAgain(entry, true);
  say(`These settings now apply to ${others.length} other pictures.`);
}

// Gives a picture another task; the results of all tasks are kept.
function giveTask(entry, name) {
  stop(entry);
  entry.task = name;
  if (entry.details) entry.state = entry.result ? "restored" : "measured";
}

export function switchTask(name) {
  const entry = page.chosen;
  if (!entry) {
    useTask(name);
    return;
  }
  history.record(statesOf([entry.id]));
  giveTask(entry, name);
  useTask(name);
  settings();
  look();
  refresh(entry);
  if (!entry.result || stale(entry)) restoreAgain(entry);
}

// Shows the settings of a task, which is also that of the pictures that are added next.
export function useTask(name) {
  if (page.task && page.task.name === name) return;
  page.task = page.service.tasks.find((each) => each.name === name);
  for (const input of $("tasks").querySelectorAll("input")) input.checked = input.value === name;
  $("start-title").textContent = `Drop an image and ${page.task.headline}`;
  document.title = `pellucid: drop an image and ${page.task.headline}`;
  $("summary").textContent = `${page.task.summary[0].toUpperCase()}${page.task.summary.slice(1)}: ${page.task.after}.`;
  page.taking = placedOptions()[0]?.name ?? null;
  const models = page.service.models.filter((model) => model.task === name);
  form.build(page.task.options, {
    model: models.map((model) => ({ value: model.name, text: model.name, about: model.summary })),
    format: [{ value: "", text: "the picture's own" }, ...page.service.formats.filter((format) => format.written).map((format) => ({ value: format.endings[0].slice(1), text: format.name }))],
  });
}
