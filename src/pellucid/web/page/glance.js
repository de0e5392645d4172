// A preview of a part, while settings are moved whose effect is shown at once.

import { Cancelled, post } from "./api.js";
import { $, page, say } from "./page.js";
import { viewer } from "./parts.js";
import { asked, moved } from "./requests.js";

export const PAUSE = 150; // milliseconds without a move after which a preview is asked for
let glance = null; // the part that is shown: { entry, key, box }
let glancing = null; // the request under way: { key, box, controller }
let refused = ""; // the request that the service refused last: it is not sent again
let pause = 0;

// The part to show: what is visible after the divider, or the middle of it where the service would take too long for all.
function partOf(entry) {
  const { width, height } = entry.details;
  const seen = viewer.visible();
  const unit = width / viewer.width;
  let [left, top, right, bottom] = [seen.left, seen.top, seen.right, seen.bottom].map((value) => value * unit);
  const share = Math.sqrt(page.service.limits.preview / Math.max(1, (right - left) * (bottom - top)));
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

export function dropGlance() {
  clearTimeout(pause);
  if (glancing) glancing.controller.abort();
  glancing = null;
  glance = null;
  viewer.setPart(null);
  $("after-words").textContent = "after";
}

// Asks for a preview where one is due, once nothing has moved for a while; the latest request counts.
export function glanceSoon() {
  clearTimeout(pause);
  const entry = page.chosen;
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
  if (image && page.chosen === entry && moved(entry)) {
    glance = { entry, key, due };
    const unit = viewer.width / entry.details.width;
    const [left, top, right, bottom] = box.map((value) => value * unit);
    viewer.setPart({ image, left, top, right, bottom });
    document.documentElement.dataset.part = key;
  }
  glanceSoon();
}
