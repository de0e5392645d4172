// Asks the service for the measurement and the result of a picture, and puts both in words.

import { Cancelled, parts, post } from "./api.js";
import { statesOf } from "./changes.js";
import { refresh, settings } from "./list.js";
import { look, thumbnail } from "./looking.js";
import { modelOf, page, same, say, takes, taskOf } from "./page.js";
import { history } from "./parts.js";
import { progress } from "./queue.js";

// The setting that all tasks have: up to 1 a blend, which the page draws itself.
export const BLENDED = "strength";

// Whether the page blends: not above 1, nor where another setting stands in for the strength in a part of the picture.
function blends(entry) {
  const strength = entry.settings[BLENDED] ?? 1;
  if (entry.steps || entry.trust) return false;
  return strength <= 1 && !taskOf(entry).options.some((option) => option.follows === BLENDED && (entry.settings[option.name] ?? null) !== null);
}

// The share of the picture after in what the page draws.
export const shareOf = (entry) => (blends(entry) ? entry.settings[BLENDED] ?? 1 : 1);

// The request for a picture, a blend aside: the query, the files that are settings, and a text that is equal for equal requests.
export function asked(entry) {
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

export function stale(entry) {
  return entry.result && entry.result.asked.key !== asked(entry).key;
}

// Whether a setting was changed whose effect is shown at once.
export function moved(entry) {
  if (!entry.result || !entry.details || !stale(entry) || !taskOf(entry).keeps_size || entry.steps || entry.trust) return false;
  const [now, then] = [asked(entry).query, entry.result.asked.query];
  return taskOf(entry).options.some((option) => option.live && !same(now[option.name] ?? null, then[option.name] ?? null));
}

// A fact as the header writes it.
function factIn(text, { schema }) {
  if (text === null) return null;
  const types = [schema.type].flat();
  if (types.includes("number") || types.includes("integer")) return Number(text);
  return types.includes("boolean") ? text === "true" : text;
}

// The facts that the page shows, in words: "noise level 20.1, estimated"; in `brief` numbers and words alone.
export function factsOf(entry, result, brief = false) {
  if (result.steps) return [result.steps.join(", ")];
  return taskOf(entry).facts.flatMap(({ name, label, unit }) => {
    const value = result.facts[name];
    if (!label || value === null || value === undefined || value === false) return [];
    if (value === true) return brief ? [] : [label];
    return [`${label} ${typeof value === "number" ? value.toFixed(1) : value}${unit ? ` ${unit}` : ""}`];
  });
}

export function otherSize(entry, result) {
  return Boolean(entry.details) && (result.width !== entry.details.width || result.height !== entry.details.height);
}

// The result in words: its size where it is another, and its facts.
export function resultOf(entry, result, brief = false) {
  const size = otherSize(entry, result) ? ` to ${result.width} × ${result.height}` : "";
  return [`${result.steps ? "done" : taskOf(entry).verbs[2].toLowerCase()}${size}`, ...factsOf(entry, result, brief)].join(", ");
}

// How the file of a picture is to be read, as text that is equal where it is the same.
const readingOf = ({ settings }) => JSON.stringify([settings.range ?? null, settings.axes ?? null]);

// Has the service measure a picture, read as its settings say.
async function measure(entry, signal) {
  const report = (state) => progress(entry, state);
  const reading = readingOf(entry);
  entry.state = "measuring";
  refresh(entry);
  await checkSize(entry.file, taskOf(entry));
  try {
    await thumbnail(entry, entry.file);
  } catch {
    entry.shown = false;
  }
  if (page.chosen === entry) await look();
  const query = { range: entry.settings.range, axes: entry.settings.axes, preview: entry.shown ? null : true };
  const answer = await post("/v1/inspect", entry.file, query, entry.shown ? "application/json" : "multipart/form-data", { signal, report });
  const { details, before = null } = entry.shown ? { details: JSON.parse(await answer.blob.text()) } : await parts(answer);
  if (before) await thumbnail(entry, before);
  if (signal.aborted) throw new Cancelled();
  Object.assign(entry, { details: { ...details, reading }, preview: before });
  entry.state = "measured";
  if (page.chosen === entry) {
    settings();
    await look();
  }
}

export async function begin(entry, signal) {
  await measure(entry, signal);
  await restore(entry, signal);
}

// Refuses a file that the service would refuse, before it is sent: where this browser knows its size in pixels.
async function checkSize(file, task) {
  const { limits } = page.service;
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

// `quiet`: what asked for it is a step that is taken back, and its result with it.
export async function restore(entry, signal, quiet = false) {
  if (entry.details.reading !== readingOf(entry)) await measure(entry, signal);
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
  const before = place.result && !quiet ? statesOf([entry.id]) : null;
  place.result = { ...result, media: result.blob.type, asked: request };
  entry.state = "restored";
  entry.words = "";
  entry.tries = 0;
  if (before) {
    // It was asked for by this step itself.
    before.get(entry.id).wanted = false;
    history.record(before);
  }
  say(`${entry.name} ${resultOf(entry, result)}, ${result.seconds.toFixed(2)} seconds.`);
  if (page.chosen === entry) {
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
