// Marks that are placed or painted on the chosen picture (points, boxes, hints, masks), and proposals: settings that belong to it alone.

import { Cancelled, post } from "./api.js";
import { statesOf } from "./changes.js";
import { fromFile, partsOf, PLACED } from "./form.js";
import { PAUSE } from "./glance.js";
import { refresh, settings } from "./list.js";
import { look, opened } from "./looking.js";
import { $, modelOf, page, same, say, takes, warn } from "./page.js";
import { form, history, painting, proposals, viewer } from "./parts.js";
import { fitted, small } from "./proposals.js";
import { own, release, restoreAgain, STATES, stop } from "./queue.js";
import { asked, BLENDED, stale } from "./requests.js";
import { save } from "./taking.js";

const PAUSE_WHOLE = 350; // milliseconds without another mark after which the whole is asked for
const QUICK = 0.5; // seconds: a picture that took less is asked for as soon as a preview
export const placedOptions = () => (page.task ? page.task.options.filter((option) => option.kinds.length === 1 && PLACED.includes(option.kinds[0])) : []);

function valuesOf(option) {
  const value = page.chosen.settings[option.name];
  return value === null || value === undefined ? [] : option.many ? value : [value];
}

export function showMarks() {
  const options = placedOptions();
  const option = options.find((each) => each.name === page.taking) || null;
  $("marking").hidden = !options.length || painting.on;
  if (option) {
    const [kind] = option.kinds;
    const other = kind === "point" ? options.find((each) => each !== option && each.kinds[0] === kind) : null;
    $("marking").textContent = kind === "box"
      ? `Drag a frame on the picture: ${option.label.toLowerCase()}. A click on the frame takes it away.`
      : kind === "hint" ? "Click on the picture to give a place the chosen colour; with the Alt key a click picks the colour that is there. A click on a mark takes it away."
      : `Click on the picture: “${option.label.toLowerCase()}”${other ? `; with the Alt key: “${other.label.toLowerCase()}”` : ""}. A click on a mark takes it away.`;
  }
  form.taken(page.taking);
  painting.look();
  const marks = page.chosen && !viewer.alone
    ? options.flatMap((each, order) => valuesOf(each).map((text) => markOf(each, order, String(text))))
    : [];
  viewer.setMarks(marks, page.chosen && !viewer.alone ? page.chosen.details : null, option && page.chosen && page.chosen.details && !viewer.alone ? option.kinds[0] : null);
}

// The settings that can be painted on the chosen picture.
export function painted() {
  if (!page.chosen || !page.task || viewer.alone) return [];
  const model = modelOf(page.chosen);
  return page.task.options.filter((option) => takes(model, option) && !(page.chosen.steps && option.of_task))
    .filter((option) => option.painted || (option.many && option.kinds.length === 1 && option.kinds[0] === "point"))
    .sort((one, other) => other.of_task - one.of_task)
    .map(({ name, label, kinds }) => ({ name, label, places: kinds[0] === "point" }));
}

let finding = null; // the search under way: { signal, wanted }; wanted: it took the place of a restoration

// A mask of the thing that stands out in the chosen picture. Work that went on for the picture is done anew afterwards.
export async function found() {
  const entry = page.chosen;
  const finder = page.service.tasks.find((each) => each.finds);
  const wanted = finding && entry.controller?.signal === finding.signal ? finding.wanted : Boolean(entry.controller || entry.due);
  stop(entry);
  const signal = own(entry);
  finding = { signal, wanted };
  try {
    const report = ({ state }) => { entry.words = state === "working" ? `${finder.verbs[1]}…` : STATES[state]?.({ done: 0 }) || ""; refresh(entry); };
    report({ state: "queued" });
    const answer = await post("/v1/restore", entry.file, { task: finder.name, [finder.finds]: true, format: "png" }, "image/*", { signal, report });
    return new File([answer.blob], "found.png", { type: "image/png" });
  } catch (error) {
    if (!(error instanceof Cancelled)) warn(`${entry.name}: ${error.message}`);
    return null;
  } finally {
    if (release(entry, signal) && wanted && (stale(entry) || !entry.result)) restoreAgain(entry, true);
    refresh(entry);
  }
}

// Several values of a setting side by side, on a small copy of the picture.
export async function propose(name) {
  const entry = page.chosen;
  if (!entry || !opened.before || !entry.details) return;
  const option = page.task.options.find((each) => each.name === name);
  const copy = await small(opened.before);
  const { query, files } = asked(entry);
  const fit = fitted({ ...query, [BLENDED]: null, format: null }, page.task.options, entry.details, copy);
  await proposals.show({
    option,
    picture: copy,
    value: entry.settings[name],
    ask: (value) => ({ query: { ...fit, [name]: value }, files }),
    choose: (value) => { if (page.chosen === entry) remarked(name, value, { now: true }); },
  });
}

function markOf({ name, kinds: [kind] }, order, text) {
  const { point, colour } = kind === "hint" ? partsOf(text) : { point: text.split(",").map(Number), colour: null };
  return { name, order, kind, value: point, colour, text };
}

export function take(name) {
  page.taking = name;
  showMarks();
}

// A value that was placed goes to the setting that is taken; with the Alt key to the next one of its kind. A hint has the chosen
// colour; with the Alt key the colour that is there becomes the chosen one.
export function place(kind, value, other) {
  if (kind === "hint") {
    const colours = viewer.coloursAt(value);
    form.offer(page.taking, colours);
    if (other && colours.length) form.pick(page.taking, colours[0]);
    if (other) return;
    const option = placedOptions().find((each) => each.name === page.taking);
    const text = `${value.join(",")}=${form.colourOf(page.taking)}`;
    remarked(page.taking, option.many ? [...valuesOf(option).filter((each) => !each.startsWith(`${value.join(",")}=`)), text] : text);
    return;
  }
  const options = placedOptions().filter((option) => option.kinds[0] === kind);
  const at = options.findIndex((option) => option.name === page.taking);
  const option = options[other ? (at + 1) % options.length : at];
  if (!option) return;
  const text = value.join(",");
  remarked(option.name, option.many ? [...valuesOf(option).filter((each) => each !== text), text] : text);
}

export function erase(mark) {
  const option = placedOptions().find((each) => each.name === mark.name);
  remarked(option.name, option.many ? valuesOf(option).filter((each) => String(each) !== mark.text) : null);
}

const labelOf = (name) => placedOptions().find((each) => each.name === name).label.toLowerCase();

export function keepMarks(name, text) {
  const dot = page.chosen.name.lastIndexOf(".");
  save(new Blob([text], { type: "application/json" }), `${dot > 0 ? page.chosen.name.slice(0, dot) : page.chosen.name}.${labelOf(name)}.json`);
}

export async function loadMarks(name, file) {
  const entry = page.chosen;
  try {
    if (!entry.details) throw new Error("the picture is not read yet");
    const values = fromFile(await file.text(), entry.details);
    if (page.chosen !== entry || !placedOptions().some((option) => option.name === name)) return;
    warn("");
    remarked(name, values);
    say(`${values.length} ${labelOf(name)} loaded.`);
  } catch (error) {
    warn(`${file.name}: ${error.message}`);
  }
}

let soon = 0;
let sketching = null; // the request for a sketch under way
let copied = { of: null, copy: null }; // a small copy of the picture that is shown

// The effect of hints, at once: the colours of a small copy, over the light of the picture, until the whole of it is done.
async function sketch(entry) {
  sketching?.abort();
  if (!opened.before || !opened.after || viewer.alone || entry.steps || entry.trust) return;
  sketching = new AbortController();
  const { signal } = sketching;
  const { query, files } = asked(entry);
  try {
    if (copied.of !== opened.before) copied = { of: opened.before, copy: await small(opened.before) };
    const fit = fitted({ ...query, format: null }, page.task.options, entry.details, copied.copy);
    const answer = await post("/v1/restore", copied.copy.file, fit, "image/*", { signal, report: () => {}, files });
    const image = await createImageBitmap(answer.blob);
    // The whole may be there already.
    if (signal.aborted || page.chosen !== entry || !stale(entry)) {
      image.close();
      return;
    }
    viewer.setSketch(image);
    document.documentElement.dataset.sketched = asked(entry).key;
  } catch { /* the request for the whole says what is wrong */ }
}

let due = null; // the picture that is asked for soon

// Asks for a picture whose marks have changed; nothing where that was taken back.
function again(entry) {
  clearTimeout(soon);
  due = null;
  if (!entry.due) return;
  entry.due = false;
  if (!page.pictures.includes(entry) || !entry.details) return;
  stop(entry);
  if (stale(entry) || !entry.result) restoreAgain(entry, true);
}

// A setting that is placed or painted has another value: it is done soon, for several clicks in a row are one request. It is one step,
// which is taken back with its result.
export function remarked(name, value, { entry = page.chosen, now = false } = {}) {
  if (same(entry.settings[name], value) || !page.pictures.includes(entry)) return;
  history.record(statesOf([entry.id]));
  entry.settings[name] = value;
  // One picture waits at a time.
  if (due && due !== entry) again(due);
  due = entry;
  entry.due = true;
  if (page.chosen === entry) {
    settings();
    showMarks();
  }
  refresh(entry);
  if (page.chosen === entry && page.task.options.some((option) => option.name === name && option.kinds.includes("hint"))) sketch(entry);
  clearTimeout(soon);
  soon = setTimeout(() => again(entry), now ? 0 : entry.result && entry.result.seconds < QUICK ? PAUSE : PAUSE_WHOLE);
}
