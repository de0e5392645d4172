// The page: it takes pictures, has them measured and restored, shows them and offers the results.

import { Cancelled, catalogue, parts, post } from "./api.js";
import { Clips } from "./clips.js";
import { canSaveInto, chosenFolder, dropped, saveInto } from "./folders.js";
import { Form, PLACED, fromFile, partsOf } from "./form.js";
import { History } from "./history.js";
import { Painting } from "./painting.js";
import { fitted, Proposals, small } from "./proposals.js";
import { Service } from "./service.js";
import { persist, Store } from "./store.js";
import { stagesOf, Steps } from "./steps.js";
import { Viewer } from "./viewer.js";
import { zip } from "./zip.js";

const $ = (id) => document.getElementById(id);
const AT_ONCE = 2; // pictures that are sent at a time
const TRIES = 3; // of a request whose connection broke

let service = null; // the catalogue of the service: tasks, models, formats, limits
let task = null; // the task of the chosen picture and of those that are added next, as the service declares it
let pictures = [];
let chosen = null;
let count = 0;
let store = null; // what this browser remembers; null: nothing
let leaving = false; // the page is being left: what breaks off now is no failure
const history = new History(() => show());
const presence = new Service(turnedAway);

const viewer = new Viewer({ stage: $("stage"), canvas: $("picture"), magnifier: $("magnifier"), divider: $("divider"), zoom: $("zoom"), onChange: describe });
const form = new Form($("main-settings"), $("more-settings"), changed, () => {
  if (chosen && !chosen.controller && (stale(chosen) || !chosen.result)) restoreAgain(chosen);
}, { take, mark: remarked, keep: keepMarks, load: loadMarks, propose });

const clips = new Clips({ section: $("clips"), list: $("clip-list"), say });

const steps = new Steps({ changed: chosenSteps, turned: () => look(true) });

function say(text) { $("status").textContent = text; }

function warn(text) {
  $("alert-words").textContent = text;
  $("alert").hidden = !text;
}

// -- pictures --

// The setting that all tasks have: up to 1 a blend, which the page draws itself.
const BLENDED = "strength";
const PAUSE = 150; // milliseconds without a move after which a preview is asked for
const PAUSE_WHOLE = 350; // milliseconds without another mark after which the whole is asked for
const QUICK = 0.5; // seconds: a picture that took less is asked for as soon as a preview

function defaults(declared) {
  return Object.fromEntries(declared.options.map((option) => [option.name, option.default]));
}

const taskOf = (entry) => service.tasks.find((each) => each.name === entry.task);
const modelOf = (entry) => service.models.find((each) => each.name === entry.settings.model);

// A setting of the task that other models take, and this one does not, has no effect.
function takes(model, option) {
  if (!option.of_task || !model || model.takes.includes(option.name)) return true;
  return !service.models.some((each) => each.task === model.task && each.takes.includes(option.name));
}

// Two files are the same where they are one: as text all of them are equal.
const same = (one, other) => one === other || (!(one instanceof File || other instanceof File) && JSON.stringify(one) === JSON.stringify(other));

function picture(file, id = ++count) {
  return {
    id,
    file,
    name: file.name || `picture-${count}.png`,
    state: "new", // new, measuring, measured, restoring, restored, failed
    words: "",
    done: 0,
    shown: true, // whether this browser can show the file
    details: null,
    task: task.name,
    // The settings of each task, and its result: { blob, media, asked, model, facts, seconds, width, height, before, after }.
    of: Object.fromEntries(service.tasks.map((each) => [each.name, { settings: defaults(each), result: null }])),
    get settings() { return this.of[this.task].settings; },
    get result() { return this.of[this.task].result; },
    steps: "", // several tasks in the place of one, as text
    trust: false, // whether the service says how far off the result may be
    preview: null, // the service's PNG of the file, where the browser cannot show it
    thumb: null, // a small picture of it for the list, as a file
    tries: 0,
    controller: null,
    item: null,
  };
}

// -- what is remembered --

const tags = new WeakMap();
let tagged = 0;

// A number for an object: the same for the same one.
function tag(object) {
  if (!object) return 0;
  if (!tags.has(object)) tags.set(object, ++tagged);
  return tags.get(object);
}

function record(entry) {
  const { file, name, state, words, shown, details, task: chosenTask, of, steps: text, trust, preview, thumb } = entry;
  return { file, name, state, words, shown, details, task: chosenTask, of, steps: text, trust, preview, thumb, wanted: Boolean(entry.controller) };
}

function keep(entry) {
  if (!store || leaving || !pictures.includes(entry)) return;
  const own = Object.entries(entry.of).map(([name, { settings: values, result }]) => [name, Object.values(values).map((value) => (value instanceof File ? tag(value) : value)), tag(result), result && tag(result.blended)]);
  const busy = Boolean(entry.controller);
  const print = JSON.stringify([entry.task, busy || entry.state, !busy && entry.words, entry.steps, entry.trust, Boolean(entry.details), tag(entry.thumb), own]);
  store.keep(entry.id, print, () => record(entry), entry.state === "restored" && !busy);
}

function keepPage() {
  if (store && !leaving && service) store.set("page", { order: pictures.map((entry) => entry.id), chosen: chosen ? chosen.id : null });
}

function turnedAway(away) {
  $("away").hidden = !away;
  document.documentElement.dataset.service = away ? "away" : "there";
  if (away) return;
  say("The service is back.");
  warn("");
  next();
}

// The pictures of the last time, as they were; what was not done goes on.
async function remembered() {
  const { order = [], chosen: last = null } = (await store.get("page")) || {};
  const found = new Map(await store.all());
  count = Math.max(0, ...found.keys());
  const numbers = [...order.filter((number) => found.has(number)), ...[...found.keys()].filter((number) => !order.includes(number))];
  const going = [];
  for (const number of numbers) {
    const { of = {}, wanted, task: name, ...kept } = found.get(number);
    if (!kept.file) continue;
    const entry = Object.assign(picture(kept.file, number), kept);
    entry.task = service.tasks.some((each) => each.name === name) ? name : task.name;
    for (const each of service.tasks) {
      const known = Object.entries(of[each.name]?.settings || {}).filter(([option]) => each.options.some((one) => one.name === option));
      entry.of[each.name] = { settings: { ...defaults(each), ...Object.fromEntries(known) }, result: of[each.name]?.result || null };
    }
    entry.done = null;
    if (entry.state !== "failed" || wanted) entry.state = entry.result ? "restored" : entry.details ? "measured" : "new";
    pictures.push(entry);
    list(entry);
    if (entry.thumb) thumbnail(entry, entry.thumb).catch(() => {});
    if (wanted || (entry.state === "new" && !entry.words)) going.push(entry);
  }
  show();
  if (pictures.length) choose(pictures.find((entry) => entry.id === last) || pictures[0]);
  for (const entry of going) restoreAgain(entry);
}

async function openStore() {
  const { store: opened, reason } = await Store.open();
  store = opened;
  $("memory").textContent = reason || "This browser remembers the pictures and what was made of them until you remove them.";
  if (!store) return;
  store.onChange = (busy) => Object.assign(document.documentElement.dataset, { kept: busy ? "no" : "yes", pictures: store.size });
  store.onFull = () => { $("memory").textContent = "This browser has no room to remember all of these pictures: download what is done before you leave the page."; };
  addEventListener("beforeunload", (event) => {
    store.flush();
    // A picture that was added a moment ago is not kept yet.
    if (!pictures.every((entry) => store.has(entry.id))) event.preventDefault();
  });
}

function add(files) {
  const given = [...files].filter((file) => file instanceof File);
  if (!given.length || !task) return;
  warn("");
  for (const file of given.filter((each) => clips.takes(each))) clips.add(file, task);
  const chosenFiles = given.filter((each) => !clips.takes(each));
  if (!chosenFiles.length) return;
  const added = chosenFiles.map((file) => picture(file));
  pictures.push(...added);
  for (const entry of added) list(entry);
  history.record(() => { for (const entry of added) away(entry); });
  persist();
  show();
  if (!chosen || chosen.state === "failed") choose(added[0]);
  say(`${added.length} ${added.length === 1 ? "picture" : "pictures"} added.`);
  for (const entry of added) enqueue(entry, () => begin(entry));
}

// Takes a picture out of the list; gives the way back.
function away(entry) {
  const busy = Boolean(entry.controller);
  stop(entry);
  const place = pictures.indexOf(entry);
  if (place < 0) return () => {};
  pictures.splice(place, 1);
  entry.item.root.remove();
  store?.forget(entry.id);
  if (chosen === entry) choose(pictures[Math.min(place, pictures.length - 1)] || null);
  show();
  return () => {
    const next = pictures[place];
    pictures.splice(Math.min(place, pictures.length), 0, entry);
    $("list").insertBefore(entry.item.root, next ? next.item.root : null);
    if (busy) restoreAgain(entry);
    refresh(entry);
  };
}

// Removes pictures, as one step.
function remove(entries) {
  const back = entries.map(away).reverse();
  history.record(() => {
    for (const each of back) each();
    choose(entries[0]);
  });
  say(entries.length === 1 ? `${entries[0].name} removed.` : `${entries.length} pictures removed.`);
}

function undo() {
  if (history.undo()) say("Undone.");
}

// -- work: a few at a time, in order --

const waiting = [];
let running = 0;

function enqueue(entry, work) {
  entry.controller = new AbortController();
  const { signal } = entry.controller;
  waiting.push({ entry, work, signal });
  if (running >= AT_ONCE || presence.away) progress(entry, { state: presence.away ? "away" : "queued", done: 0 });
  next();
}

function next() {
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

function stop(entry) {
  if (!entry.controller) return;
  entry.controller.abort();
  entry.controller = null;
  entry.state = entry.result ? "restored" : entry.details ? "measured" : "failed";
  entry.words = entry.state === "failed" ? "cancelled" : "";
  refresh(entry);
}

// Says what went wrong; whether the work is to be done again.
async function fail(entry, error, signal) {
  if (error instanceof Cancelled || signal.aborted || leaving) return false;
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

const STATES = {
  queued: () => "waiting for its turn",
  away: () => "waits for the service",
  receiving: ({ done }) => `sending, ${Math.round(done * 100)} %`,
  waiting: ({ ahead }) => (ahead ? `waiting, ${ahead} ahead` : "waiting"),
  working: () => "working",
  sending: () => "receiving",
  busy: () => "the service is busy; trying again",
};

function progress(entry, state) {
  if (!entry.controller) return;
  const work = entry.state === "measuring" ? "Measuring" : taskOf(entry).verbs[1];
  const working = state.state === "working";
  entry.words = working ? `${work}${state.done ? `, ${Math.round(state.done * 100)} %` : "…"}` : STATES[state.state](state);
  entry.done = working && state.done ? state.done : null;
  refresh(entry);
}

async function begin(entry) {
  const { signal } = entry.controller;
  const report = (state) => progress(entry, state);
  entry.state = "measuring";
  refresh(entry);
  await checkSize(entry.file, taskOf(entry));
  try {
    await thumbnail(entry, entry.file);
  } catch {
    entry.shown = false;
  }
  if (chosen === entry) await look();
  const query = { range: entry.settings.range, axes: entry.settings.axes, preview: entry.shown ? null : true };
  const answer = await post("/v1/inspect", entry.file, query, entry.shown ? "application/json" : "multipart/form-data", { signal, report });
  if (entry.shown) entry.details = JSON.parse(await answer.blob.text());
  else {
    const form = await parts(answer);
    entry.details = form.details;
    entry.preview = form.before;
    await thumbnail(entry, entry.preview);
  }
  entry.state = "measured";
  if (chosen === entry) {
    settings();
    await look();
  }
  await restore(entry, signal);
}

// Refuses a file that the service would refuse, before it is sent: where this browser knows its size in pixels.
async function checkSize(file, task) {
  const { limits } = service;
  if (file.size > limits.bytes) throw new Error(`the file is larger than ${Math.round(limits.bytes / 1e6)} MB, the limit of this service`);
  const image = new Image();
  const address = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: address }));
  } catch {
    return;
  } finally {
    URL.revokeObjectURL(address);
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  if (width * height > task.pixels) throw new Error(`${width} × ${height} pixels are more than ${task.words}`);
}

// Whether the page blends: not above 1, nor where another setting stands in for the strength in a part of the picture.
function blends(entry) {
  const strength = entry.settings[BLENDED] ?? 1;
  if (entry.steps || entry.trust) return false;
  return strength <= 1 && !taskOf(entry).options.some((option) => option.follows === BLENDED && (entry.settings[option.name] ?? null) !== null);
}

// The share of the picture after in what the page draws.
const shareOf = (entry) => (blends(entry) ? entry.settings[BLENDED] ?? 1 : 1);

// The request for a picture, a blend aside: the query, the files that are settings, and a text that is equal for equal requests.
function asked(entry) {
  const model = modelOf(entry);
  const query = entry.steps ? { steps: entry.steps } : { task: entry.task };
  if (entry.trust) query.confidence = true;
  const files = {};
  for (const option of taskOf(entry).options) {
    // Steps have settings of their own; those of the file are for all.
    if (entry.steps && (option.of_task || option.name === "model")) continue;
    const value = entry.settings[option.name];
    if ((option.name === BLENDED && blends(entry)) || same(value, option.default) || value === null || value === "" || !takes(model, option)) continue;
    if (value instanceof File) files[option.name] = value;
    else query[option.name] = value;
  }
  const names = Object.entries(files).map(([name, file]) => [name, file.name, file.size, file.lastModified]);
  return { query, files, path: entry.steps ? "/v1/run" : "/v1/restore", key: JSON.stringify([query, names]) };
}

// A fact as the header writes it.
function factIn(text, { schema }) {
  if (text === null) return null;
  const types = [schema.type].flat();
  if (types.includes("number") || types.includes("integer")) return Number(text);
  return types.includes("boolean") ? text === "true" : text;
}

// The facts that the page shows, in words: "noise level 20.1, estimated"; in `brief` numbers and words alone.
function factsOf(entry, result, brief = false) {
  if (result.steps) return [result.steps.join(", ")];
  return taskOf(entry).facts.flatMap(({ name, label, unit }) => {
    const value = result.facts[name];
    if (!label || value === null || value === undefined || value === false) return [];
    if (value === true) return brief ? [] : [label];
    return [`${label} ${typeof value === "number" ? value.toFixed(1) : value}${unit ? ` ${unit}` : ""}`];
  });
}

function otherSize(entry, result) {
  return Boolean(entry.details) && (result.width !== entry.details.width || result.height !== entry.details.height);
}

// The result in words: its size where it is another, and its facts.
function resultOf(entry, result, brief = false) {
  const size = otherSize(entry, result) ? ` to ${result.width} × ${result.height}` : "";
  return [`${result.steps ? "done" : taskOf(entry).verbs[2].toLowerCase()}${size}`, ...factsOf(entry, result, brief)].join(", ");
}

// `quiet`: what asked for it is a step that is taken back, and its result with it.
async function restore(entry, signal, quiet = false) {
  entry.state = "restoring";
  refresh(entry);
  const place = entry.of[entry.task];
  const request = asked(entry);
  const how = { signal, report: (state) => progress(entry, state), files: request.files };
  const withPreviews = () => post(request.path, entry.file, { ...request.query, preview: true }, "multipart/form-data", how);
  let result;
  if (entry.shown && !entry.steps && !entry.trust) {
    const answer = await post("/v1/restore", entry.file, request.query, "image/*", how);
    const [width, height] = answer.header("X-Pellucid-Size").split("x").map(Number);
    const { facts } = taskOf(entry);
    result = {
      blob: answer.blob,
      model: answer.header("X-Pellucid-Model"),
      facts: Object.fromEntries(facts.filter((fact) => fact.header).map((fact) => [fact.name, factIn(answer.header(`X-Pellucid-${fact.header}`), fact)])),
      seconds: Number(answer.header("X-Pellucid-Seconds")),
      width,
      height,
      before: null,
      after: null,
    };
    // The format that was chosen may be one that this browser does not show.
    if (!(await shows(answer.blob))) {
      const { before, after } = await parts(await withPreviews());
      result = { ...result, before, after };
    }
  } else {
    const { details, image, before, after, confidence, ...stages } = await parts(await withPreviews());
    const { model, seconds, width, height } = details;
    result = { blob: image, model, facts: details, seconds, width, height, before, after, confidence, stages, steps: entry.steps ? details.steps.map((step) => step.task) : null };
  }
  if (signal.aborted) throw new Cancelled();
  const last = place.result;
  place.result = { ...result, media: result.blob.type, asked: request };
  entry.state = "restored";
  entry.words = "";
  entry.tries = 0;
  if (last && !quiet) history.record(() => { place.result = last; if (chosen === entry) look(true); refresh(entry); });
  say(`${entry.name} ${resultOf(entry, result)}, ${result.seconds.toFixed(2)} seconds.`);
  if (chosen === entry) {
    settings();
    await look(true);
  }
}

async function shows(blob) {
  try {
    (await createImageBitmap(blob, { resizeWidth: 1 })).close();
    return true;
  } catch {
    return false;
  }
}

// -- looking --

async function thumbnail(entry, blob) {
  const scaled = await createImageBitmap(blob, { resizeWidth: 128, resizeQuality: "medium" });
  const canvas = entry.item.thumb;
  const share = Math.max(canvas.width / scaled.width, canvas.height / scaled.height);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(scaled, (canvas.width - scaled.width * share) / 2, (canvas.height - scaled.height * share) / 2, scaled.width * share, scaled.height * share);
  scaled.close();
  canvas.toBlob((made) => {
    entry.thumb = made;
    keep(entry);
  });
}

let looking = 0;
let opened = { before: null, after: null, result: null };

// Whether two pictures have other proportions than rounding explains.
function otherShape(one, other) {
  return Math.abs(one.width * other.height - one.height * other.width) > Math.max(one.width + other.height, one.height + other.width);
}

// Decodes the chosen picture and shows it; one at a time, for large ones take much memory.
async function look(keep = false) {
  const turn = ++looking;
  const entry = chosen;
  let before = null;
  let after = null;
  let alone = false;
  if (entry) {
    const result = entry.result;
    const stages = result ? stagesOf(entry, result) : {};
    if (result || !entry.controller) steps.offer(stages, opened.result !== result);
    const whole = result && result.before ? result.before : entry.shown ? entry.file : entry.preview;
    const source = result && steps.left !== "before" ? stages[steps.left][1] : whole;
    opened.result = result;
    try {
      if (source) before = await createImageBitmap(source);
      if (before && result) after = await createImageBitmap(steps.right === "before" ? whole : stages[steps.right][1]);
      if (after && otherShape(before, after)) {
        // A part of the picture does not lie over the whole.
        before.close();
        before = after;
        after = null;
        alone = true;
      } else if (after && (after.width !== before.width || after.height !== before.height)) {
        // They lie over each other: the one before is made as large as the one after, as any program would show it.
        const larger = await createImageBitmap(source, { resizeWidth: after.width, resizeHeight: after.height, resizeQuality: "high" });
        before.close();
        before = larger;
      }
    } catch {
      // It cannot be shown: the words beside it say why.
    }
  }
  if (turn !== looking) {
    for (const image of [before, after]) if (image) image.close();
    return;
  }
  const last = opened;
  opened = { before, after, result: opened.result };
  viewer.transparent = lets(after) || lets(before);
  $("ground-label").hidden = !viewer.transparent;
  $("stage").classList.toggle("alone", alone);
  viewer.alone = alone;
  viewer.strength = entry ? shareOf(entry) : 1;
  viewer.show(before, after, keep && last.before && before && last.before.width === before.width && last.before.height === before.height);
  showMarks();
  // Drawn anew at the next frame; the old ones are in use until then.
  setTimeout(() => { for (const image of [last.before, last.after]) if (image) image.close(); }, 1000);
  document.documentElement.dataset.shown = entry ? `${entry.id}${after ? "-after" : "-before"}` : "";
}

// Whether a picture lets what is behind it show, by a small version of it.
function lets(image) {
  if (!image) return false;
  const share = Math.min(1, 256 / Math.max(image.width, image.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(image.width * share)), Math.max(1, Math.round(image.height * share)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let place = 3; place < data.length; place += 4) if (data[place] < 250) return true;
  return false;
}

// -- a preview of a part, while settings are moved --

let glance = null; // the part that is shown: { entry, key, box }
let glancing = null; // the request under way: { key, box, controller }
let refused = ""; // the request that the service refused last: it is not sent again
let pause = 0;

// Whether a setting was changed whose effect is shown at once.
function moved(entry) {
  if (!entry.result || !entry.details || !stale(entry) || !taskOf(entry).keeps_size || entry.steps || entry.trust) return false;
  const [now, then] = [asked(entry).query, entry.result.asked.query];
  return taskOf(entry).options.some((option) => option.live && !same(now[option.name] ?? null, then[option.name] ?? null));
}

// The part to show: what is visible after the divider, or the middle of it where the service would take too long for all.
function partOf(entry) {
  const { width, height } = entry.details;
  const seen = viewer.visible();
  const unit = width / viewer.width;
  let [left, top, right, bottom] = [seen.left, seen.top, seen.right, seen.bottom].map((value) => value * unit);
  const share = Math.sqrt(service.limits.preview / Math.max(1, (right - left) * (bottom - top)));
  if (share < 1) {
    const [wide, high] = [(right - left) * share, (bottom - top) * share];
    const middle = seen.point ? [seen.point.x * unit, seen.point.y * unit] : [(left + right) / 2, (top + bottom) / 2];
    left = Math.min(Math.max(left, middle[0] - wide / 2), right - wide);
    top = Math.min(Math.max(top, middle[1] - high / 2), bottom - high);
    [right, bottom] = [left + wide, top + high];
  }
  const box = [Math.max(0, Math.floor(left)), Math.max(0, Math.floor(top)), Math.min(width, Math.ceil(right)), Math.min(height, Math.ceil(bottom))];
  return box[2] > box[0] && box[3] > box[1] ? box : null;
}

function dropGlance() {
  clearTimeout(pause);
  if (glancing) glancing.controller.abort();
  glancing = null;
  glance = null;
  viewer.setPart(null);
  $("after-words").textContent = "after";
}

// Asks for a preview where one is due, once nothing has moved for a while; the latest request counts.
function glanceSoon() {
  clearTimeout(pause);
  const entry = chosen;
  if (!entry || !moved(entry)) {
    if (glance || glancing) dropGlance();
    return;
  }
  const { key } = asked(entry);
  if (glance && (glance.entry !== entry || glance.key !== key)) {
    // It shows what other settings do.
    glance = null;
    viewer.setPart(null);
  }
  // The whole is on its way.
  if (entry.controller) return;
  const box = partOf(entry);
  const due = JSON.stringify([entry.id, key, box]);
  const shown = [glance, glancing].some((each) => each && each.due === due);
  $("after-words").textContent = glance ? "preview in the frame" : due === refused ? "after, with the last settings" : "preview…";
  if (box && !shown && due !== refused) pause = setTimeout(() => showGlance(entry, box, due), PAUSE);
}

async function showGlance(entry, box, due) {
  if (glancing) glancing.controller.abort();
  const controller = new AbortController();
  glancing = { due, controller };
  const { query, files, key } = asked(entry);
  let image = null;
  try {
    const answer = await post("/v1/restore", entry.file, { ...query, format: null, part: box.join(",") }, "image/*", { signal: controller.signal, report: () => {}, files });
    image = await createImageBitmap(answer.blob);
  } catch (error) {
    if (error instanceof Cancelled || controller.signal.aborted) return;
    refused = due;
    say(`No preview of ${entry.name}: ${error.message}`);
  }
  if (controller.signal.aborted) {
    if (image) image.close();
    return;
  }
  glancing = null;
  if (image && chosen === entry && moved(entry)) {
    glance = { entry, key, due };
    const unit = viewer.width / entry.details.width;
    const [left, top, right, bottom] = box.map((value) => value * unit);
    viewer.setPart({ image, left, top, right, bottom });
    document.documentElement.dataset.part = key;
  }
  glanceSoon();
}

let described = "";

function describe() {
  if (!chosen) return;
  if (moved(chosen)) glanceSoon();
  const zoom = `${Math.round(viewer.scale * 100)} %`;
  const text = viewer.after
    ? `${chosen.name}: before on the left ${Math.round(viewer.at * 100)} %, ${taskOf(chosen).verbs[2].toLowerCase()} on the right; zoom ${zoom}`
    : `${chosen.name}, ${viewer.alone ? taskOf(chosen).verbs[2].toLowerCase() : "as it is"}; zoom ${zoom}`;
  if (text !== described) $("picture").setAttribute("aria-label", text);
  described = text;
}

function choose(entry) {
  if (chosen === entry) return;
  dropGlance();
  chosen = entry;
  for (const other of pictures) other.item.button.setAttribute("aria-current", String(other === entry));
  if (entry) {
    useTask(entry.task);
    settings();
    refresh(entry);
  }
  show();
  keepPage();
  look();
}

// -- the list --

function list(entry) {
  const root = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "entry" });
  const thumb = Object.assign(document.createElement("canvas"), { width: 96, height: 96, className: "thumb" });
  thumb.setAttribute("aria-hidden", "true");
  const label = Object.assign(document.createElement("span"), { className: "entry-name", textContent: entry.name });
  const words = Object.assign(document.createElement("span"), { className: "entry-words" });
  const bar = Object.assign(document.createElement("progress"), { max: 1, hidden: true });
  bar.setAttribute("aria-hidden", "true");
  const text = document.createElement("span");
  text.className = "entry-text";
  text.append(label, words, bar);
  button.append(thumb, text);
  button.addEventListener("click", () => choose(entry));
  const cross = Object.assign(document.createElement("button"), { type: "button", className: "away quiet", textContent: "×" });
  cross.setAttribute("aria-label", `Remove ${entry.name}`);
  cross.addEventListener("click", () => remove([entry]));
  root.append(button, cross);
  $("list").append(root);
  entry.item = { root, button, thumb, words, bar };
  refresh(entry);
}

function stale(entry) {
  return entry.result && entry.result.asked.key !== asked(entry).key;
}

function refresh(entry) {
  const busy = Boolean(entry.controller);
  const { result } = entry;
  const done = result ? resultOf(entry, result, true) : "";
  entry.item.words.textContent = busy || entry.state === "failed" ? entry.words : stale(entry) ? "settings changed" : done;
  entry.item.root.dataset.state = busy ? "busy" : entry.state;
  entry.item.bar.hidden = !busy;
  if (entry.done === null || entry.done === undefined) entry.item.bar.removeAttribute("value");
  else entry.item.bar.value = entry.done;
  keep(entry);
  if (chosen !== entry) return;
  glanceSoon();
  $("busy").hidden = !busy;
  $("stage").setAttribute("aria-busy", String(busy));
  $("busy-words").textContent = entry.words;
  if (entry.done === null || entry.done === undefined) $("busy-bar").removeAttribute("value");
  else $("busy-bar").value = entry.done;
  buttons();
}

function buttons() {
  const busy = chosen && chosen.controller;
  $("restore").disabled = !chosen || Boolean(busy);
  const [verb] = task.verbs;
  $("restore").textContent = chosen && chosen.result && !stale(chosen) ? `${verb} again` : verb;
  $("restore").classList.toggle("primary", !(chosen && chosen.result && !stale(chosen)));
  $("download").classList.toggle("primary", Boolean(chosen && chosen.result && !stale(chosen)));
  $("download").disabled = !(chosen && chosen.result) || Boolean(busy);
  $("download-all").disabled = !pictures.some((entry) => entry.result);
  $("cancel-all").hidden = pictures.filter((entry) => entry.controller).length < 2;
  $("save-all").disabled = $("download-all").disabled;
  $("undo").disabled = !history.length;
}

function show() {
  $("start").hidden = pictures.length > 0;
  $("work").hidden = pictures.length === 0;
  $("apply-all").hidden = pictures.length < 2;
  keepPage();
  if (task) buttons();
}

// -- settings --

function settings() {
  const { details, result } = chosen;
  $("name").textContent = chosen.name;
  const size = details ? `${details.width} × ${details.height}${result && otherSize(chosen, result) ? ` → ${result.width} × ${result.height}` : ""}` : "";
  const facts = details ? [size, details.format, details.depth.replace("uint8", "8 bits").replace("uint16", "16 bits"), details.pages > 1 ? `${details.pages} pages, the first is shown` : ""] : [];
  $("facts").textContent = facts.filter(Boolean).join(" · ");
  const model = modelOf(chosen);
  const noise = $("noise");
  noise.textContent = "";
  if (details) {
    noise.append("Noise in this picture: ", Object.assign(document.createElement("strong"), { textContent: details.diagnosis.summary }), ". ");
    if (result) {
      const words = factsOf(chosen, result).join(", ");
      noise.append(`${result.steps ? "Done" : task.verbs[2]} by ${result.model}${words ? `: ${words}` : ""}.`);
    }
    // How the file was read, where that is not plain.
    if (details.remarks.length) noise.append(` Read: ${details.remarks.join("; ")}.`);
  } else noise.textContent = "The service measures the noise once it has the picture.";
  const measured = { ...(details ? details.diagnosis : {}) };
  for (const option of task.options) if (option.follows) measured[option.name] = chosen.settings[option.follows];
  form.set(chosen.settings, measured);
  steps.set(chosen.steps, chosen.trust, chosen.id);
  for (const option of task.options) form.toggle(option.name, takes(model, option));
}

// -- marks on the picture: points, boxes and hints, for settings of these kinds --

let taking = null; // the name of the setting whose values are placed by hand

const placedOptions = () => (task ? task.options.filter((option) => option.kinds.length === 1 && PLACED.includes(option.kinds[0])) : []);

function valuesOf(option) {
  const value = chosen.settings[option.name];
  return value === null || value === undefined ? [] : option.many ? value : [value];
}

function showMarks() {
  const options = placedOptions();
  const option = options.find((each) => each.name === taking) || null;
  $("marking").hidden = !options.length || painting.on;
  if (option) {
    const [kind] = option.kinds;
    const other = kind === "point" ? options.find((each) => each !== option && each.kinds[0] === kind) : null;
    $("marking").textContent = kind === "box"
      ? `Drag a frame on the picture: ${option.label.toLowerCase()}. A click on the frame takes it away.`
      : kind === "hint" ? "Click on the picture to give a place the chosen colour; with the Alt key a click picks the colour that is there. A click on a mark takes it away."
      : `Click on the picture: “${option.label.toLowerCase()}”${other ? `; with the Alt key: “${other.label.toLowerCase()}”` : ""}. A click on a mark takes it away.`;
  }
  form.taken(taking);
  painting.look();
  const marks = chosen && !viewer.alone
    ? options.flatMap((each, order) => valuesOf(each).map((text) => markOf(each, order, String(text))))
    : [];
  viewer.setMarks(marks, chosen && !viewer.alone ? chosen.details : null, option && chosen && chosen.details && !viewer.alone ? option.kinds[0] : null);
}

// What can be painted on the chosen picture.
function painted() {
  if (!chosen || !task || viewer.alone) return [];
  const model = modelOf(chosen);
  return task.options.filter((option) => takes(model, option) && !(chosen.steps && option.of_task))
    .filter((option) => option.painted || (option.many && option.kinds.length === 1 && option.kinds[0] === "point"))
    .sort((one, other) => other.of_task - one.of_task)
    .map(({ name, label, kinds }) => ({ name, label, places: kinds[0] === "point" }));
}

// What stands out in the chosen picture, as a mask.
async function found() {
  const entry = chosen;
  const finder = service.tasks.find((each) => each.finds);
  entry.controller = new AbortController();
  const { signal } = entry.controller;
  try {
    const report = ({ state }) => { entry.words = state === "working" ? `${finder.verbs[1]}…` : STATES[state]?.({ done: 0 }) || ""; refresh(entry); };
    report({ state: "queued" });
    const answer = await post("/v1/restore", entry.file, { task: finder.name, [finder.finds]: true, format: "png" }, "image/*", { signal, report });
    return new File([answer.blob], "found.png", { type: "image/png" });
  } catch (error) {
    if (!(error instanceof Cancelled)) warn(`${entry.name}: ${error.message}`);
    return null;
  } finally {
    if (entry.controller && entry.controller.signal === signal) entry.controller = null;
    refresh(entry);
  }
}

const painting = new Painting(viewer, {
  options: painted,
  value: (name) => chosen.settings[name],
  set: (name, value) => { if (chosen) remarked(name, value); },
  size: () => (chosen && chosen.details) || null,
  key: () => (chosen ? `${chosen.id} ${chosen.task}` : ""),
  get finds() { return Boolean(service && service.tasks.some((each) => each.finds)); },
  found,
  turned: () => showMarks(),
  warn,
});

const proposals = new Proposals();

// Several values of a setting side by side, on a small copy of the picture.
async function propose(name) {
  const entry = chosen;
  if (!entry || !opened.before || !entry.details) return;
  const option = task.options.find((each) => each.name === name);
  const copy = await small(opened.before);
  const { query, files } = asked(entry);
  const fit = fitted({ ...query, [BLENDED]: null, format: null }, task.options, entry.details, copy);
  await proposals.show({
    option,
    picture: copy,
    value: entry.settings[name],
    ask: (value) => ({ query: { ...fit, [name]: value }, files }),
    choose: (value) => { if (chosen === entry) remarked(name, value, true); },
  });
}

function markOf({ name, kinds: [kind] }, order, text) {
  const { point, colour } = kind === "hint" ? partsOf(text) : { point: text.split(",").map(Number), colour: null };
  return { name, order, kind, value: point, colour, text };
}

function take(name) {
  taking = name;
  showMarks();
}

// A value that was placed goes to the setting that is taken; with the Alt key to the next one of its kind. A hint has the chosen
// colour; with the Alt key the colour that is there becomes the chosen one.
function place(kind, value, other) {
  if (kind === "hint") {
    const colours = viewer.coloursAt(value);
    form.offer(taking, colours);
    if (other && colours.length) form.pick(taking, colours[0]);
    if (other) return;
    const option = placedOptions().find((each) => each.name === taking);
    const text = `${value.join(",")}=${form.colourOf(taking)}`;
    remarked(taking, option.many ? [...valuesOf(option).filter((each) => !each.startsWith(`${value.join(",")}=`)), text] : text);
    return;
  }
  const options = placedOptions().filter((option) => option.kinds[0] === kind);
  const at = options.findIndex((option) => option.name === taking);
  const option = options[other ? (at + 1) % options.length : at];
  if (!option) return;
  const text = value.join(",");
  remarked(option.name, option.many ? [...valuesOf(option).filter((each) => each !== text), text] : text);
}

function erase(mark) {
  const option = placedOptions().find((each) => each.name === mark.name);
  remarked(option.name, option.many ? valuesOf(option).filter((each) => String(each) !== mark.text) : null);
}

const labelOf = (name) => placedOptions().find((each) => each.name === name).label.toLowerCase();

function keepMarks(name, text) {
  const dot = chosen.name.lastIndexOf(".");
  save(new Blob([text], { type: "application/json" }), `${dot > 0 ? chosen.name.slice(0, dot) : chosen.name}.${labelOf(name)}.json`);
}

async function loadMarks(name, file) {
  const entry = chosen;
  try {
    if (!entry.details) throw new Error("the picture is not read yet");
    const values = fromFile(await file.text(), entry.details);
    if (chosen !== entry || !placedOptions().some((option) => option.name === name)) return;
    warn("");
    remarked(name, values);
    say(`${values.length} ${labelOf(name)} loaded.`);
  } catch (error) {
    warn(`${file.name}: ${error.message}`);
  }
}

viewer.onPlace = place;
viewer.onErase = erase;

let soon = 0;
let sketching = null; // the request for a sketch under way
let copied = { of: null, copy: null }; // a small copy of the picture that is shown

// What hints do, at once: the colours of a small copy, over the light of the picture, until the whole of it is done.
async function sketch(entry) {
  sketching?.abort();
  if (!opened.before || !opened.after || viewer.alone || entry.steps || entry.trust) return;
  sketching = new AbortController();
  const { signal } = sketching;
  const { query, files } = asked(entry);
  try {
    if (copied.of !== opened.before) copied = { of: opened.before, copy: await small(opened.before) };
    const fit = fitted({ ...query, format: null }, task.options, entry.details, copied.copy);
    const answer = await post("/v1/restore", copied.copy.file, fit, "image/*", { signal, report: () => {}, files });
    const image = await createImageBitmap(answer.blob);
    // The whole may be there already.
    if (signal.aborted || chosen !== entry || !stale(entry)) {
      image.close();
      return;
    }
    viewer.setSketch(image);
    document.documentElement.dataset.sketched = asked(entry).key;
  } catch { /* the request for the whole says what is wrong */ }
}

// A setting that is placed or painted has another value: it is done soon, for several clicks in a row are one request. It is one step,
// which is taken back with its result.
function remarked(name, value, now = false) {
  const entry = chosen;
  const place = entry.of[entry.task];
  const last = { value: entry.settings[name], result: place.result };
  if (same(last.value, value)) return;
  entry.settings[name] = value;
  const again = () => {
    if (!pictures.includes(entry) || !entry.details) return;
    stop(entry);
    if (stale(entry) || !entry.result) restoreAgain(entry, true);
  };
  history.record(() => {
    clearTimeout(soon);
    stop(entry);
    place.settings[name] = last.value;
    place.result = last.result;
    entry.state = entry.result ? "restored" : "measured";
    if (chosen === entry) {
      settings();
      look(true);
    }
    refresh(entry);
    again();
  });
  settings();
  showMarks();
  refresh(entry);
  if (task.options.some((option) => option.name === name && option.kinds.includes("hint"))) sketch(entry);
  clearTimeout(soon);
  soon = setTimeout(again, now ? 0 : entry.result && entry.result.seconds < QUICK ? PAUSE : PAUSE_WHOLE);
}

let moving = null; // the value that a slider had when it was taken hold of

function changed(name, value, finished) {
  if (!chosen) return;
  const entry = chosen;
  const values = entry.settings;
  if (!moving || moving.name !== name) moving = { name, value: values[name] };
  values[name] = value;
  viewer.setStrength(shareOf(entry));
  if (finished) {
    const before = moving.value;
    moving = null;
    if (before !== value) history.record(() => {
      values[name] = before;
      if (chosen === entry) {
        settings();
        showMarks();
        viewer.setStrength(shareOf(entry));
      }
      refresh(entry);
    });
    settings();
    showMarks();
  }
  refresh(entry);
}

// Other steps, or the wish to see how far off the result may be: it is done at once.
function chosenSteps(text, trust) {
  if (!chosen) return;
  const entry = chosen;
  const before = { steps: entry.steps, trust: entry.trust };
  const turn = (to) => {
    Object.assign(entry, to);
    if (chosen === entry) settings();
    refresh(entry);
  };
  turn({ steps: text, trust });
  history.record(() => turn(before));
  stop(entry);
  if (entry.details) restoreAgain(entry);
}

function restoreAgain(entry, quiet = false) {
  enqueue(entry, (signal) => (entry.details ? restore(entry, signal, quiet) : begin(entry)));
}

// Whether a setting belongs to one picture alone: what is placed or painted on it.
const ofPicture = (option) => option.painted || option.kinds.every((kind) => PLACED.includes(kind));

// The settings of the chosen picture for all others, as one step; what is placed on a picture stays with it.
function applyToAll() {
  const others = pictures.filter((entry) => entry !== chosen);
  const { name } = task;
  const before = others.map((entry) => ({ task: entry.task, ...entry.of[name], steps: entry.steps, trust: entry.trust }));
  const own = task.options.filter(ofPicture).map((option) => option.name);
  for (const entry of others) {
    if (entry.task !== name) turnTo(entry, name);
    const place = entry.of[name];
    place.settings = { ...chosen.settings, ...Object.fromEntries(own.map((each) => [each, place.settings[each]])) };
    Object.assign(entry, { steps: chosen.steps, trust: chosen.trust });
  }
  history.record(() => others.forEach((entry, index) => {
    stop(entry);
    const { settings: values, result, steps: text, trust, task: last } = before[index];
    Object.assign(entry.of[name], { settings: values, result });
    Object.assign(entry, { steps: text, trust });
    if (entry.task !== last) turnTo(entry, last);
    else if (entry.details) entry.state = entry.result ? "restored" : "measured";
    refresh(entry);
  }));
  const again = others.filter((entry) => !entry.controller && (stale(entry) || entry.state === "failed" || !entry.result));
  for (const entry of others) refresh(entry);
  for (const entry of again) restoreAgain(entry, true);
  say(`These settings now apply to ${others.length} other pictures.`);
}

// Gives a picture another task; the results of all tasks are kept.
function turnTo(entry, name) {
  stop(entry);
  entry.task = name;
  if (entry.details) entry.state = entry.result ? "restored" : "measured";
}

function switchTask(name) {
  const entry = chosen;
  if (!entry) {
    useTask(name);
    return;
  }
  const before = entry.task;
  const turn = (to) => {
    turnTo(entry, to);
    if (chosen === entry) {
      useTask(to);
      settings();
      look();
    }
    refresh(entry);
  };
  turn(name);
  history.record(() => turn(before));
  if (!entry.result || stale(entry)) restoreAgain(entry);
}

// Shows the settings of a task, which is also that of the pictures that are added next.
function useTask(name) {
  if (task && task.name === name) return;
  task = service.tasks.find((each) => each.name === name);
  for (const input of $("tasks").querySelectorAll("input")) input.checked = input.value === name;
  $("start-title").textContent = `Drop an image and ${task.headline}`;
  document.title = `pellucid: drop an image and ${task.headline}`;
  $("summary").textContent = `${task.summary[0].toUpperCase()}${task.summary.slice(1)}: ${task.after}.`;
  taking = placedOptions()[0]?.name ?? null;
  const models = service.models.filter((model) => model.task === name);
  form.build(task.options, {
    model: models.map((model) => ({ value: model.name, text: model.name, about: model.summary })),
    format: [{ value: "", text: "the picture's own" }, ...service.formats.filter((format) => format.written).map((format) => ({ value: format.endings[0].slice(1), text: format.name }))],
  });
}

// -- taking away --

function answerName(entry, media) {
  const dot = entry.name.lastIndexOf(".");
  const stem = dot > 0 ? entry.name.slice(0, dot) : entry.name;
  const own = dot > 0 ? entry.name.slice(dot).toLowerCase() : "";
  const format = service.formats.find((each) => each.media_types.includes(media));
  const ending = !format || format.endings.includes(own) ? entry.name.slice(dot > 0 ? dot : entry.name.length) : format.endings[0];
  const preset = service.presets.find((each) => each.steps === entry.steps);
  const mark = entry.steps ? (preset ? preset.name : "steps") : taskOf(entry).mark;
  return `${stem}.${mark}${ending || (format ? format.endings[0] : "")}`;
}

// The file to download: the result itself, or the service's blend at the strength that is set; where settings that are shown at once
// have changed since, it is restored with them first.
async function answerOf(entry) {
  if (moved(entry)) {
    await new Promise((resolve) => enqueue(entry, (signal) => restore(entry, signal).finally(resolve)));
    if (stale(entry)) throw new Cancelled();
  }
  const strength = shareOf(entry);
  const { result } = entry;
  if (strength === 1) return result.blob;
  if (result.blended && result.blended.strength === strength) return result.blended.blob;
  entry.controller = new AbortController();
  const { signal } = entry.controller;
  entry.state = "restoring";
  refresh(entry);
  try {
    const { query, files } = result.asked;
    const how = { signal, report: (state) => progress(entry, state), files };
    const answer = await post("/v1/restore", entry.file, { ...query, [BLENDED]: strength }, "image/*", how);
    result.blended = { strength, blob: answer.blob };
    return answer.blob;
  } finally {
    entry.controller = null;
    entry.state = "restored";
    refresh(entry);
  }
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function download() {
  const entry = chosen;
  try {
    const blob = await answerOf(entry);
    save(blob, answerName(entry, blob.type.split(";")[0]));
    say(`${entry.name} downloaded.`);
  } catch (error) {
    if (!(error instanceof Cancelled)) warn(`${entry.name}: ${error.message}`);
  }
}

// Gives the outputs of all pictures to `take`, one after the other, and then to `end`.
async function all(take, end) {
  $("download-all").disabled = $("save-all").disabled = true;
  let done = 0;
  try {
    for (const entry of pictures.filter((each) => each.result && !each.controller)) {
      const blob = await answerOf(entry);
      await take(answerName(entry, blob.type.split(";")[0]), blob);
      done++;
    }
    say(`${done} pictures ${await end()}.`);
  } catch (error) {
    if (!(error instanceof Cancelled)) warn(`${done ? `after ${done} pictures: ` : ""}${error.message}`);
  }
  show();
}

function downloadAll() {
  const files = [];
  return all((name, blob) => { files.push({ name, blob }); }, async () => {
    save(await zip(files), "pellucid.zip");
    return "downloaded";
  });
}

async function saveAll() {
  try {
    const folder = await chosenFolder();
    if (folder) await all((name, blob) => saveInto(folder, name, blob), () => `saved into the folder ${folder.name}`.trim());
  } catch (error) {
    warn(error.message);
  }
}

// -- hands --

function listen() {
  const input = $("files");
  input.addEventListener("change", () => { add(input.files); input.value = ""; });
  let depth = 0;
  addEventListener("dragenter", (event) => { event.preventDefault(); depth++; document.body.classList.add("over"); });
  addEventListener("dragleave", () => { if (--depth <= 0) { depth = 0; document.body.classList.remove("over"); } });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("over");
    dropped(event.dataTransfer).then(({ files, folder }) => {
      // Of a folder, what is no picture is let be.
      const endings = service ? [...service.formats.flatMap((format) => format.endings), ...service.clips] : [];
      const named = (file) => endings.some((ending) => file.name.toLowerCase().endsWith(ending));
      const kept = folder ? files.filter(named) : files;
      if (folder && !kept.length) warn("there is no picture in this folder");
      add(kept);
    }).catch((error) => warn(error.message));
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) {
      event.preventDefault();
      add(event.clipboardData.files);
    }
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=text], input[type=number], input[type=password], textarea");
    const acts = { z: typing ? null : undo, o: () => input.click(), s: () => { if (!$("download").disabled) download(); } };
    const act = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && acts[event.key.toLowerCase()];
    if (act) {
      event.preventDefault();
      act();
    }
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (chosen && chosen.controller) stop(chosen);
      else if (painting.on) painting.turn(false);
    }
  });
  $("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen && !chosen.controller) restoreAgain(chosen);
  });
  $("cancel").addEventListener("click", () => { stop(chosen); say("Cancelled."); show(); });
  $("cancel-all").addEventListener("click", () => { for (const entry of pictures) stop(entry); say("All cancelled."); show(); });
  $("apply-all").addEventListener("click", applyToAll);
  $("download").addEventListener("click", download);
  $("download-all").addEventListener("click", downloadAll);
  $("save-all").hidden = !canSaveInto();
  $("save-all").addEventListener("click", saveAll);
  $("clear").addEventListener("click", () => remove([...pictures]));
  $("help").addEventListener("click", () => $("keymap").showModal());
  $("keymap-close").addEventListener("click", () => $("keymap").close());
  addEventListener("pagehide", () => { store?.flush(); leaving = true; });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  viewer.onKey = (key) => {
    const step = (way) => choose(pictures[pictures.indexOf(chosen) + way] || chosen);
    const acts = {
      p: () => { if (!$("brush").disabled) painting.turn(); }, e: () => painting.erase(!painting.erasing), ",": () => painting.wider(1 / 1.25), ".": () => painting.wider(1.25),
      PageDown: () => step(1), PageUp: () => step(-1), "?": () => $("help").click(), m: () => $("magnify").click(),
    };
    const act = acts[key.length === 1 ? key.toLowerCase() : key];
    if (act) act();
    return Boolean(act);
  };
  $("undo").addEventListener("click", undo);
  $("alert-close").addEventListener("click", () => warn(""));
  $("fit").addEventListener("click", () => viewer.fit());
  $("actual").addEventListener("click", () => viewer.zoomTo(1));
  $("in").addEventListener("click", () => viewer.zoomTo(viewer.scale * 1.25));
  $("out").addEventListener("click", () => viewer.zoomTo(viewer.scale / 1.25));
  const ground = () => viewer.setGround($("ground").value === "own" ? $("ground-colour").value : $("ground").value);
  $("ground").addEventListener("change", () => { $("ground-colour").hidden = $("ground").value !== "own"; ground(); });
  $("ground-colour").addEventListener("input", ground);
  $("magnify").addEventListener("click", () => $("magnify").setAttribute("aria-pressed", String(viewer.toggleMagnifier())));
  $("add").addEventListener("click", () => input.click());
  const themes = ["system", "light", "dark"];
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const following = themes[(themes.indexOf(root.dataset.theme || "system") + 1) % themes.length];
    if (following === "system") delete root.dataset.theme;
    else root.dataset.theme = following;
    $("theme").setAttribute("aria-label", `Colours: ${following === "system" ? "as the system" : following}`);
  });
}

function tasks() {
  const field = $("tasks");
  field.hidden = service.tasks.length < 2;
  for (const each of service.tasks) {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "task", value: each.name });
    const label = document.createElement("label");
    label.append(input, Object.assign(document.createElement("span"), { textContent: each.verbs[0] }));
    input.addEventListener("change", () => switchTask(each.name));
    field.append(label);
  }
  useTask(service.tasks[0].name);
}

// The service's offers; those of the last time where it has stopped: what was done can be looked at.
async function offers() {
  try {
    const found = await catalogue();
    store?.set("catalogue", found);
    return found;
  } catch (error) {
    const last = error.status === 0 && store ? await store.get("catalogue") : null;
    if (last) presence.look();
    else warn(error.message);
    return last;
  }
}

async function start() {
  listen();
  navigator.serviceWorker?.register("/offline.js").catch(() => {});
  await openStore();
  service = await offers();
  if (!service) return;
  const { formats, limits } = service;
  $("version").textContent = `pellucid ${service.version}`;
  clips.endings = service.clips;
  $("files").accept = ["image/*", ...formats.flatMap((format) => format.endings), ...service.clips].join(",");
  $("formats").textContent = `${formats.map((format) => format.name).join(", ")}; up to ${Number((limits.bytes / 1e6).toPrecision(3))} MB and ${Number((limits.pixels / 1e6).toPrecision(3))} megapixels.`;
  steps.build(service.presets);
  tasks();
  if (store) await remembered();
  show();
  // An installed page is given the files that were opened with it.
  globalThis.launchQueue?.setConsumer(async ({ files }) => add(await Promise.all((files || []).map((each) => each.getFile()))));
  document.documentElement.dataset.ready = "yes";
}

start();
