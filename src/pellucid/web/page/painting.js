// The tools to paint with, and what is painted: masks (settings that are painted), and places (settings that are points).

import { Brush } from "./brush.js";

const $ = (id) => document.getElementById(id);
const COLOURS = [[21, 146, 75], [208, 52, 44], [10, 98, 168], [138, 75, 0]]; // of masks, by the order of their settings
const APART = 0.02; // between places along a stroke, as a share of the picture's longer side, at least
const MOST = 60; // places of one setting: they are part of an address
let number = 0; // of the masks that were painted: a new one has a new name

// `page` has: options(), those that can be painted now, [{ name, label, places }]; value(name); set(name, value), a stroke is done;
// setter(), the same for the picture and the task of now, whatever is chosen later;
// size(), of the picture, or null; key(), equal for the same picture; found(), a picture of what stands out, or null where nothing
// finds it; turned(), the tools were taken or put away; warn(text).
export class Painting {
  constructor(viewer, page) {
    Object.assign(this, { viewer, page });
    this.on = false;
    this.erasing = false;
    this.brush = null;
    this.shown = null; // what the brush holds: { key, name, value }
    this.path = null;
    this.work = Promise.resolve();
    $("brush").addEventListener("click", () => this.turn());
    $("brush-what").addEventListener("change", () => this.look());
    $("brush-paint").addEventListener("click", () => this.erase(false));
    $("brush-erase").addEventListener("click", () => this.erase(true));
    $("brush-clear").addEventListener("click", () => this.page.set(this.name, this.option.places ? [] : null));
    $("brush-invert").addEventListener("click", () => { this.brush.invert(); this.keep(); });
    $("brush-find").addEventListener("click", () => this.find());
    for (const name of ["brush-size", "brush-soft"]) $(name).addEventListener("input", () => viewer.draw());
  }

  get name() { return $("brush-what").value; }
  get option() { return this.page.options().find((option) => option.name === this.name) || null; }

  turn(on = !this.on) {
    this.on = on;
    this.look();
    this.page.turned();
    if (on) $("brush-what").focus();
  }

  erase(on) {
    this.erasing = on;
    this.look();
  }

  // Makes the brush wider or narrower.
  wider(share) {
    $("brush-size").value = String(Math.round(Number($("brush-size").value) * share));
    this.viewer.draw();
  }

  // Shows what can be painted now, and what is painted.
  look() {
    const options = this.page.options();
    const size = this.page.size();
    const can = Boolean(size && options.length);
    $("brush").disabled = !can;
    $("brush").setAttribute("aria-pressed", String(this.on && can));
    $("brushes").hidden = !(this.on && can);
    if (!this.on || !can) {
      this.viewer.setTool(null);
      this.shown = null;
      return;
    }
    const list = $("brush-what");
    const last = list.value;
    const names = options.map((option) => option.name).join();
    if (list.dataset.names !== names) {
      list.replaceChildren(...options.map(({ name, label }) => Object.assign(document.createElement("option"), { value: name, textContent: label })));
      list.dataset.names = names;
      list.value = options.some((option) => option.name === last) ? last : options[0].name;
    }
    const { places } = this.option;
    $("brush-paint").setAttribute("aria-pressed", String(!this.erasing));
    $("brush-erase").setAttribute("aria-pressed", String(this.erasing));
    for (const name of ["brush-soft-label", "brush-invert"]) $(name).hidden = places;
    $("brush-find").hidden = places || !this.page.finds;
    const value = this.page.value(this.name);
    const key = this.page.key();
    if (!this.shown || this.shown.key !== key || this.shown.name !== this.name || this.shown.value !== value) {
      this.shown = { key, name: this.name, value };
      this.brush = places ? null : new Brush(size.width, size.height, COLOURS[options.findIndex((option) => option.name === this.name) % COLOURS.length]);
      if (!places && value) this.take(value, this.brush);
    }
    this.viewer.setTool(this);
  }

  // Has the brush start from a picture.
  async take(picture, brush) {
    try {
      const image = await createImageBitmap(picture);
      brush.take(image);
      image.close();
      this.viewer.draw();
    } catch {
      this.page.warn(`${picture.name}: this browser cannot show it; what is painted takes its place`);
    }
  }

  async find() {
    const { shown, brush } = this;
    const found = await this.page.found();
    if (!found || this.shown !== shown) return;
    await this.take(found, brush);
    if (brush.empty) this.page.warn("nothing stands out in this picture: paint it by hand");
    await this.keep();
  }

  // Gives the setting what is painted, once the picture of it is made.
  keep() {
    const { brush, name, page } = this;
    // Another picture may be chosen by the time that the file is made.
    const set = page.setter();
    this.work = this.work.then(async () => {
      const value = brush.empty ? null : await brush.file(`${name}-${++number}-${Date.now().toString(36)}.png`);
      if (this.brush === brush) this.shown.value = value;
      set(name, value);
    });
    return this.work;
  }

  // -- what the viewer asks of a tool --

  // The radius in pixels of the canvas.
  get reach() { return (Number($("brush-size").value) / 2) * this.viewer.ratio; }

  get soft() { return Number($("brush-soft").value) / 100; }

  down(point) {
    this.path = [point];
    this.before = this.brush ? this.brush.pen.getImageData(0, 0, this.brush.width, this.brush.height) : null;
    if (this.brush) this.stroke(point, point);
  }

  move(from, to) {
    if (!this.path) return;
    this.path.push(to);
    if (this.brush) this.stroke(from, to);
  }

  up() {
    const { path } = this;
    this.path = null;
    this.before = null;
    if (!path) return;
    if (this.brush) this.keep();
    else this.place(path);
  }

  // A second finger: it was no stroke.
  cancel() {
    if (this.path && this.brush && this.before) {
      this.brush.pen.putImageData(this.before, 0, 0);
      this.brush.show(0, 0, this.brush.width, this.brush.height);
    }
    this.path = null;
    this.before = null;
    this.viewer.draw();
  }

  paint(context) {
    const { viewer } = this;
    if (this.brush) this.brush.paint(context, viewer.x, viewer.y, viewer.width * viewer.scale, viewer.height * viewer.scale);
    else if (this.path) {
      context.save();
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = 2 * this.reach;
      context.strokeStyle = this.erasing ? "rgb(255 255 255 / 0.5)" : "rgb(21 146 75 / 0.5)";
      context.beginPath();
      const { x, y } = viewer.share;
      for (const each of [...this.path, this.path.at(-1)]) context.lineTo(viewer.x + (each.x / x) * viewer.scale, viewer.y + (each.y / y) * viewer.scale);
      context.stroke();
      context.restore();
    }
  }

  // Pixels of the source for each of the canvas.
  get unit() { return this.viewer.share.x / this.viewer.scale; }

  stroke(from, to) {
    this.brush.stroke(from, to, { radius: this.reach * this.unit, soft: this.soft, erasing: this.erasing });
    this.viewer.draw();
  }

  // A stroke over places: some along it are new, or those under it are gone.
  place(path) {
    const size = this.page.size();
    const reach = this.reach * this.unit;
    const last = this.page.value(this.name) || [];
    if (this.erasing) {
      const kept = last.filter((text) => {
        const [x, y] = text.split(",").map(Number);
        return !path.some((each) => Math.hypot(each.x - x, each.y - y) <= reach);
      });
      if (kept.length < last.length) this.page.set(this.name, kept);
      return;
    }
    const apart = Math.max(reach, APART * Math.max(size.width, size.height));
    const chosen = [];
    for (const each of path) if (!chosen.length || Math.hypot(each.x - chosen.at(-1).x, each.y - chosen.at(-1).y) >= apart) chosen.push(each);
    const inside = (each) => each.x >= 0 && each.y >= 0 && each.x < size.width && each.y < size.height;
    const texts = chosen.filter(inside).map((each) => `${Math.floor(each.x)},${Math.floor(each.y)}`);
    if (texts.length) this.page.set(this.name, [...new Set([...last, ...texts])].slice(-MOST));
  }
}
