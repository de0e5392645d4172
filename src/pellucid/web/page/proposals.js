// Several proposals for one picture side by side, made small: the user chooses one of them.

import { Cancelled, post } from "./api.js";

const $ = (id) => document.getElementById(id);
const SIDE = 480; // pixels of the longer side of a small copy
const EACH = 4; // proposals at a time

// A small copy of a picture: { file, share }, its size as a share of the picture's.
export async function small(image, side = SIDE) {
  const share = Math.min(1, side / Math.max(image.width, image.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(image.width * share)), Math.max(1, Math.round(image.height * share)));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return { file: await canvas.convertToBlob({ type: "image/png" }), width: canvas.width, height: canvas.height };
}

// Values that are placed on a picture of a size, for its small copy: points, boxes and hints.
export function fitted(query, options, from, to) {
  const [across, down] = [to.width / from.width, to.height / from.height];
  const placed = (text) => {
    const [place, ...rest] = String(text).split("=");
    const numbers = place.split(",").map(Number);
    const moved = numbers.map((value, index) => {
      const [share, most] = index % 2 ? [down, to.height] : [across, to.width];
      return numbers.length === 2 ? Math.min(most - 1, Math.floor(value * share)) : Math.min(most, Math.round(value * share));
    });
    return [moved.join(","), ...rest].join("=");
  };
  const now = { ...query };
  for (const { name, kinds } of options) {
    if (!(name in now) || !["point", "box", "hint"].includes(kinds[0])) continue;
    now[name] = Array.isArray(now[name]) ? now[name].map(placed) : placed(now[name]);
  }
  return now;
}

export class Proposals {
  constructor() {
    this.controller = null;
    $("proposals").addEventListener("close", () => this.controller?.abort());
    $("proposals-close").addEventListener("click", () => $("proposals").close());
    $("proposals-more").addEventListener("click", () => this.draw(this.from + EACH));
  }

  // Shows what the values of `option` give from 0 on; `ask(value)` is the query and the files; `choose(value)` is called at the end.
  async show({ option, picture, value, ask, choose }) {
    this.controller?.abort();
    Object.assign(this, { option, picture, value, ask, choose });
    $("proposals").showModal();
    await this.draw(0);
  }

  async draw(from) {
    this.controller?.abort();
    this.controller = new AbortController();
    this.from = from;
    const { signal } = this.controller;
    const { option, picture, value } = this;
    const values = Array.from({ length: EACH }, (_, place) => from + place).filter((each) => each <= option.high);
    $("proposals-more").hidden = from + EACH > option.high;
    const made = values.map((each) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "proposal" });
      const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
      canvas.setAttribute("aria-hidden", "true");
      button.append(canvas, Object.assign(document.createElement("span"), { textContent: `${option.label} ${each}${each === 0 ? ", the likeliest" : ""}` }));
      button.setAttribute("aria-pressed", String(each === value));
      button.addEventListener("click", () => { $("proposals").close(); this.choose(each); });
      return { each, button, canvas };
    });
    $("proposals-list").replaceChildren(...made.map(({ button }) => button));
    $("proposals").setAttribute("aria-busy", "true");
    for (const { each, button, canvas } of made) {
      try {
        const { query, files } = this.ask(each);
        const answer = await post("/v1/restore", picture.file, query, "image/*", { signal, report: () => {}, files });
        const image = await createImageBitmap(answer.blob);
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        image.close();
        button.dataset.done = "yes";
      } catch (error) {
        if (error instanceof Cancelled || signal.aborted) return;
        button.lastChild.textContent = `${option.label} ${each}: ${error.message}`;
      }
    }
    if (!signal.aborted) $("proposals").setAttribute("aria-busy", "false");
  }
}
