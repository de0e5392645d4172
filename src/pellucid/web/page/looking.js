// The chosen picture in the viewer: which stages stand beside each other, and the words for what is seen.

import { useTask } from "./changes.js";
import { dropGlance, glanceSoon } from "./glance.js";
import { keep, keepPage } from "./keeping.js";
import { refresh, settings, show } from "./list.js";
import { showMarks } from "./marks.js";
import { $, page, taskOf } from "./page.js";
import { steps, viewer } from "./parts.js";
import { moved, shareOf } from "./requests.js";
import { stagesOf } from "./steps.js";

let looking = 0;
export let opened = { before: null, after: null, result: null };

// Whether two pictures have other proportions than rounding explains.
function otherShape(one, other) {
  return Math.abs(one.width * other.height - one.height * other.width) > Math.max(one.width + other.height, one.height + other.width);
}

// Decodes the chosen picture and shows it; one at a time, for large ones take much memory.
export async function look(keep = false) {
  const turn = ++looking;
  const entry = page.chosen;
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

let described = "";

export function describe() {
  if (!page.chosen) return;
  if (moved(page.chosen)) glanceSoon();
  const zoom = `${Math.round(viewer.scale * 100)} %`;
  const text = viewer.after
    ? `${page.chosen.name}: before on the left ${Math.round(viewer.at * 100)} %, ${taskOf(page.chosen).verbs[2].toLowerCase()} on the right; zoom ${zoom}`
    : `${page.chosen.name}, ${viewer.alone ? taskOf(page.chosen).verbs[2].toLowerCase() : "as it is"}; zoom ${zoom}`;
  if (text !== described) $("picture").setAttribute("aria-label", text);
  described = text;
}

export function choose(entry) {
  if (page.chosen === entry) return;
  dropGlance();
  page.chosen = entry;
  for (const other of page.pictures) other.item.button.setAttribute("aria-current", String(other === entry));
  if (entry) {
    useTask(entry.task);
    settings();
    refresh(entry);
  }
  show();
  keepPage();
  look();
}

export async function thumbnail(entry, blob) {
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
