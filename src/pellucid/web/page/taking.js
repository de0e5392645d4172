// Taking away: the file of a result, a download, a zip of all, a folder.

import { Cancelled, post } from "./api.js";
import { chosenFolder, saveInto } from "./folders.js";
import { refresh, show } from "./list.js";
import { $, page, say, warn } from "./page.js";
import { enqueue, own, progress, release } from "./queue.js";
import { BLENDED, moved, restore, shareOf, stale } from "./requests.js";
import { zip } from "./zip.js";

const CANCELLED = "cancelled";

// Named after what made the result, whatever is set by now.
function answerName(entry, media) {
  const { steps, task } = entry.result.asked.query;
  const dot = entry.name.lastIndexOf(".");
  const stem = dot > 0 ? entry.name.slice(0, dot) : entry.name;
  const own = dot > 0 ? entry.name.slice(dot).toLowerCase() : "";
  const format = page.service.formats.find((each) => each.media_types.includes(media));
  const ending = !format || format.endings.includes(own) ? entry.name.slice(dot > 0 ? dot : entry.name.length) : format.endings[0];
  const preset = page.service.presets.find((each) => each.steps === steps);
  const mark = steps ? (preset ? preset.name : "steps") : page.service.tasks.find((each) => each.name === task).mark;
  return `${stem}.${mark}${ending || (format ? format.endings[0] : "")}`;
}

// The file to download: the result itself, or the service's blend at the strength that is set; where settings that are shown at once
// have changed since, it is restored with them first.
async function answerOf(entry) {
  if (moved(entry)) {
    const done = await enqueue(entry, (signal) => restore(entry, signal));
    if (!done) throw entry.state === "failed" ? new Error(entry.words) : new Cancelled();
    if (stale(entry)) throw new Error("its settings have changed meanwhile; download it again");
  }
  const strength = shareOf(entry);
  const { result } = entry;
  if (strength === 1) return result.blob;
  if (result.blended && result.blended.strength === strength) return result.blended.blob;
  const signal = own(entry);
  entry.state = "restoring";
  refresh(entry);
  try {
    const { query, files } = result.asked;
    const how = { signal, report: (state) => progress(entry, state), files };
    const answer = await post("/v1/restore", entry.file, { ...query, [BLENDED]: strength }, "image/*", how);
    result.blended = { strength, blob: answer.blob };
    return answer.blob;
  } finally {
    if (release(entry, signal)) entry.state = "restored";
    refresh(entry);
  }
}

export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export async function download() {
  const entry = page.chosen;
  try {
    const blob = await answerOf(entry);
    save(blob, answerName(entry, blob.type.split(";")[0]));
    say(`${entry.name} downloaded.`);
  } catch (error) {
    if (!(error instanceof Cancelled)) warn(`${entry.name}: ${error.message}`);
  }
}

// Gives the outputs of all pictures to `take`, one after the other, and then calls `end`: also where one fails or is cancelled, which
// is the last then.
async function all(take, end) {
  page.gathering = true;
  show();
  const there = (entry) => entry.result && !entry.controller;
  const entries = page.pictures.filter(there);
  let done = 0;
  let trouble = "";
  for (const entry of entries) {
    // It was removed meanwhile, or is at work.
    if (!page.pictures.includes(entry) || !there(entry)) continue;
    try {
      const blob = await answerOf(entry);
      await take(answerName(entry, blob.type.split(";")[0]), blob);
      done++;
    } catch (error) {
      trouble = error instanceof Cancelled ? CANCELLED : `${entry.name}: ${error.message}`;
      break;
    }
  }
  try {
    const words = done ? await end() : "";
    if (!trouble && done) say(`${done} pictures ${words}.`);
    else if (done) warn(`${trouble}; ${done} of ${entries.length} pictures ${words}`);
    else if (trouble !== CANCELLED) warn(trouble);
  } catch (error) {
    warn(error.message);
  }
  page.gathering = false;
  show();
}

export function downloadAll() {
  const files = [];
  return all((name, blob) => { files.push({ name, blob }); }, async () => {
    save(await zip(files), "pellucid.zip");
    return "downloaded";
  });
}

export async function saveAll() {
  try {
    const folder = await chosenFolder();
    if (folder) await all((name, blob) => saveInto(folder, name, blob), () => `saved into the folder ${folder.name}`.trim());
  } catch (error) {
    warn(error.message);
  }
}
