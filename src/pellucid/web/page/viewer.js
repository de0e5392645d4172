// The picture before and after: a divider between them, zoom and pan, a magnifier, and the strength as a blend of the two.

const LEAST = 0.02;
const MOST = 32;
const REACH = 24; // CSS pixels around the divider that take hold of it
const LENS = { side: 150, zoom: 4 };
const STILL = 4; // CSS pixels that a hand may move during a click
const GRASP = 12; // CSS pixels around a mark that take hold of it
const AROUND = 24; // pixels of the picture around a click whose colours are offered
const APART = 24; // levels of 8 bits between two colours that are offered
const CHECK = 8; // CSS pixels of a square of the checkerboard
const MARKS = ["#15924b", "#d0342c", "#0a62a8", "#8a4b00"]; // colours of marks, by the order of their settings
const SIGNS = ["+", "−"];

export class Viewer {
  constructor({ stage, canvas, magnifier, divider, zoom, onChange }) {
    this.stage = stage;
    this.canvas = canvas;
    this.magnifier = magnifier;
    this.divider = divider;
    this.zoomText = zoom;
    this.onChange = onChange || (() => {});
    this.before = null;
    this.after = null;
    this.part = null; // a part of the picture after with newer settings: { image, left, top, right, bottom } in its pixels
    this.sketch = null; // colours to come, small: they are drawn over the light of the picture before
    this.strength = 1;
    this.at = 0.5; // the divider's place, as a share of the stage's width
    this.scale = 1; // device pixels for each pixel of the picture
    this.x = 0; // the picture's upper left corner in device pixels
    this.y = 0;
    this.fitted = true;
    this.lens = null; // the point under the magnifier, in pixels of the picture
    this.magnifying = false;
    this.onlyBefore = false;
    this.source = null; // the size that marks count in, where it is another than the picture's
    this.marks = []; // { name, order, kind, value, colour }: points [x, y] and boxes [x0, y0, x1, y1] of the source; hints have a colour
    this.placing = null; // the kind that is placed by hand
    this.onPlace = () => {}; // (kind, value, other): a mark was placed, with Alt held down: `other`
    this.onErase = () => {}; // (mark)
    this.onKey = () => false; // (key): whether the page knows a key that means nothing here
    this.rubber = null; // the box that is being dragged, in pixels of the picture
    this.tool = null; // what paints on the picture: see `Painting`
    this.over = null; // where the hand is, in pixels of the canvas, while there is a tool
    this.transparent = false; // whether anything lies behind that can be seen
    this.ground = "checks"; // what that is: "checks" or a colour
    this.blend = document.createElement("canvas");
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  get width() { return (this.after || this.before || { width: 1 }).width; }
  get height() { return (this.after || this.before || { height: 1 }).height; }
  get ratio() { return window.devicePixelRatio || 1; }

  // Shows a picture; `after` may be null. The view stays where it is if `keep`.
  show(before, after, keep = false) {
    this.before = before;
    this.after = after;
    this.setSketch(null);
    if (!keep) this.fit();
    this.draw();
  }

  setMarks(marks, source, placing) {
    Object.assign(this, { marks, source, placing });
    this.draw();
  }

  setTool(tool) {
    if (tool !== this.tool) this.over = null;
    this.tool = tool;
    this.draw();
  }

  setGround(ground) {
    this.ground = ground;
    this.draw();
  }

  // How many pixels of the source one of the picture is, across and down.
  get share() {
    return { x: this.source ? this.source.width / this.width : 1, y: this.source ? this.source.height / this.height : 1 };
  }

  setStrength(strength) {
    this.strength = strength;
    this.draw();
  }

  setSketch(image) {
    const last = this.sketch;
    this.sketch = image;
    if (last) setTimeout(() => last.close(), 1000);
    this.draw();
  }

  setPart(part) {
    const last = this.part;
    if (last === part) return;
    this.part = part;
    // Drawn anew at the next frame; the old one is in use until then.
    if (last) setTimeout(() => last.image.close(), 1000);
    this.draw();
  }

  // The visible part of the picture after, in pixels of the picture; `point`: where the magnifier is.
  visible() {
    const from = this.toPicture(this.magnifying ? 0 : this.at * this.canvas.width, 0);
    const to = this.toPicture(this.canvas.width, this.canvas.height);
    return {
      left: this.clampX(from.x), top: this.clampY(from.y), right: this.clampX(to.x), bottom: this.clampY(to.y),
      point: this.magnifying ? this.lens : null,
    };
  }

  setDivider(share) {
    this.at = Math.min(1, Math.max(0, share));
    this.divider.value = String(Math.round(this.at * 200) / 2);
    this.divider.setAttribute("aria-valuetext", `${Math.round(this.at * 100)} % before, the rest after`);
    this.draw();
  }

  resize() {
    // Without the stage's border: a canvas that is stretched shows no pixel as it is.
    this.canvas.width = Math.max(1, Math.round(this.stage.clientWidth * this.ratio));
    this.canvas.height = Math.max(1, Math.round(this.stage.clientHeight * this.ratio));
    if (this.fitted) this.fit();
    else this.keepInside();
    this.draw();
  }

  fit() {
    this.fitted = true;
    const share = Math.min(this.canvas.width / this.width, this.canvas.height / this.height);
    // Small pictures are shown larger, by whole numbers: pixels stay pixels.
    this.scale = share < 1 ? share : Math.min(16, Math.floor(share));
    this.x = (this.canvas.width - this.width * this.scale) / 2;
    this.y = (this.canvas.height - this.height * this.scale) / 2;
    this.draw();
  }

  // Zooms to a scale about a point of the canvas (in device pixels; its middle if none).
  zoomTo(scale, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const wanted = Math.min(MOST, Math.max(LEAST, scale));
    this.fitted = false;
    this.x = x - ((x - this.x) * wanted) / this.scale;
    this.y = y - ((y - this.y) * wanted) / this.scale;
    this.scale = wanted;
    this.keepInside();
    this.draw();
  }

  pan(x, y) {
    this.fitted = false;
    this.x += x;
    this.y += y;
    this.keepInside();
    this.draw();
  }

  keepInside() {
    const inside = (place, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, place)));
    this.x = inside(this.x, this.width * this.scale, this.canvas.width);
    this.y = inside(this.y, this.height * this.scale, this.canvas.height);
    if (this.scale >= 1) {
      // Whole pixels on whole pixels: nothing is resampled at 100 %.
      this.x = Math.round(this.x);
      this.y = Math.round(this.y);
    }
  }

  toggleMagnifier(on = !this.magnifying) {
    this.magnifying = on;
    this.lens = on ? this.toPicture(this.canvas.width / 2, this.canvas.height / 2) : null;
    this.draw();
    return on;
  }

  toPicture(x, y) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  // -- drawing --

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.paint();
    });
  }

  // The ground behind a transparent picture.
  under(context, x, y, scale) {
    if (!this.transparent) return;
    const box = [x, y, this.width * scale, this.height * scale];
    context.fillStyle = this.ground === "checks" ? "#fff" : this.ground;
    context.fillRect(...box);
    if (this.ground !== "checks") return;
    const side = CHECK * this.ratio;
    const tile = Object.assign(document.createElement("canvas"), { width: 2 * side, height: 2 * side });
    const drawn = tile.getContext("2d");
    drawn.fillStyle = "#c8c8c8";
    drawn.fillRect(0, 0, side, side);
    drawn.fillRect(side, side, side, side);
    context.fillStyle = context.createPattern(tile, "repeat");
    context.fillRect(...box);
  }

  // Draws the picture before, or the blend of both by strength, into a context at a place and scale.
  place(context, image, x, y, scale) {
    // An image of another size than the picture, such as the one before it was enlarged, has no pixels of its own here.
    context.imageSmoothingEnabled = scale < 1 || image.width !== this.width;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, x, y, this.width * scale, this.height * scale);
  }

  // Draws the picture after, and the newer part of it in its place.
  placeAfter(context, x, y, scale) {
    const { part } = this;
    if (!part) {
      this.place(context, this.after, x, y, scale);
      return;
    }
    const box = [x + part.left * scale, y + part.top * scale, (part.right - part.left) * scale, (part.bottom - part.top) * scale];
    context.save();
    context.beginPath();
    context.rect(0, 0, context.canvas.width, context.canvas.height);
    context.rect(...box);
    context.clip("evenodd");
    this.place(context, this.after, x, y, scale);
    context.restore();
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(part.image, ...box);
  }

  blended(context, x, y, scale) {
    this.under(context, x, y, scale);
    if (this.sketch) {
      this.place(context, this.before, x, y, scale);
      context.globalCompositeOperation = "color";
      this.place(context, this.sketch, x, y, scale);
      context.globalCompositeOperation = "source-over";
      return;
    }
    if (this.strength >= 1) {
      this.placeAfter(context, x, y, scale);
      return;
    }
    const { width, height } = context.canvas;
    const blend = this.blend;
    if (blend.width !== width || blend.height !== height) Object.assign(blend, { width, height });
    const mix = blend.getContext("2d");
    mix.globalCompositeOperation = "source-over";
    mix.clearRect(0, 0, width, height);
    // (1 - strength) * before + strength * after, alpha and all.
    mix.globalAlpha = 1 - this.strength;
    this.place(mix, this.before, x, y, scale);
    mix.globalCompositeOperation = "lighter";
    mix.globalAlpha = this.strength;
    this.placeAfter(mix, x, y, scale);
    mix.globalAlpha = 1;
    context.drawImage(blend, 0, 0);
  }

  paint() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    this.zoomText.textContent = `${Math.round(this.scale * 100)} %`;
    this.stage.classList.toggle("single", !this.after || this.onlyBefore);
    this.magnifier.hidden = !(this.magnifying && this.before);
    if (!this.before) return;
    const line = this.after && !this.onlyBefore ? Math.round(this.at * width) : width;
    context.save();
    context.beginPath();
    context.rect(0, 0, line, height);
    context.clip();
    this.under(context, this.x, this.y, this.scale);
    this.place(context, this.before, this.x, this.y, this.scale);
    context.restore();
    if (line < width) {
      context.save();
      context.beginPath();
      context.rect(line, 0, width - line, height);
      context.clip();
      this.blended(context, this.x, this.y, this.scale);
      if (this.part) this.paintFrame(context);
      context.restore();
    }
    if (this.after && !this.onlyBefore) this.paintDivider(context, line, height);
    if (this.tool) this.paintTool(context);
    this.paintMarks(context);
    if (this.magnifying) this.paintLens();
    this.onChange();
  }

  // A mark's value in pixels of the canvas.
  onCanvas(value) {
    const { x, y } = this.share;
    return value.map((each, place) => (place % 2 ? this.y + (each / y) * this.scale : this.x + (each / x) * this.scale));
  }

  paintMarks(context) {
    const unit = this.ratio;
    const framed = (box, colour) => {
      context.lineWidth = 4 * unit;
      context.strokeStyle = "rgb(255 255 255 / 0.85)";
      context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
      context.lineWidth = 2 * unit;
      context.strokeStyle = colour;
      context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
    };
    context.save();
    for (const { kind, value, order, colour: own } of this.marks) {
      const colour = own || MARKS[order % MARKS.length];
      if (kind === "box") {
        framed(this.onCanvas(value), colour);
        continue;
      }
      // The middle of the pixel.
      const [x, y] = this.onCanvas(value.map((each) => each + 0.5));
      context.beginPath();
      context.arc(x, y, 9 * unit, 0, 2 * Math.PI);
      context.fillStyle = colour;
      context.fill();
      context.lineWidth = 2 * unit;
      context.strokeStyle = "#fff";
      context.stroke();
      if (own) {
        // A dark ring around the white one: a mark shows on any ground.
        context.beginPath();
        context.arc(x, y, 10.5 * unit, 0, 2 * Math.PI);
        context.lineWidth = unit;
        context.strokeStyle = "#222";
        context.stroke();
        continue;
      }
      context.fillStyle = "#fff";
      context.font = `bold ${14 * unit}px sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(SIGNS[order] || "•", x, y + unit);
    }
    if (this.rubber) framed(this.rubber.map((each, place) => (place % 2 ? this.y : this.x) + each * this.scale), MARKS[2]);
    context.restore();
  }

  // The painted mask, and the edge of the brush.
  paintTool(context) {
    this.tool.paint(context);
    if (!this.over) return;
    context.save();
    for (const [style, more] of [["#fff", 0], ["#222", this.ratio]]) {
      context.strokeStyle = style;
      context.lineWidth = this.ratio;
      context.beginPath();
      context.arc(this.over.x, this.over.y, this.tool.reach + more, 0, 2 * Math.PI);
      context.stroke();
    }
    context.restore();
  }

  // A frame around the part: outside it the picture is as the last settings made it.
  paintFrame(context) {
    const { left, top, right, bottom } = this.part;
    const unit = this.ratio;
    context.save();
    for (const [style, dash] of [["#fff", []], ["#222", [6 * unit, 6 * unit]]]) {
      context.strokeStyle = style;
      context.lineWidth = unit;
      context.setLineDash(dash);
      context.strokeRect(this.x + left * this.scale - unit / 2, this.y + top * this.scale - unit / 2, (right - left) * this.scale + unit, (bottom - top) * this.scale + unit);
    }
    context.restore();
  }

  paintDivider(context, line, height) {
    const unit = this.ratio;
    context.save();
    context.fillStyle = "rgb(0 0 0 / 0.55)";
    context.fillRect(line - 2 * unit, 0, 4 * unit, height);
    context.fillStyle = "#fff";
    context.fillRect(line - unit, 0, 2 * unit, height);
    context.beginPath();
    context.arc(line, height / 2, 15 * unit, 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    context.lineWidth = unit;
    context.stroke();
    context.fillStyle = "#222";
    for (const way of [-1, 1]) {
      context.beginPath();
      context.moveTo(line + way * 10 * unit, height / 2);
      context.lineTo(line + way * 4 * unit, height / 2 - 5 * unit);
      context.lineTo(line + way * 4 * unit, height / 2 + 5 * unit);
      context.fill();
    }
    context.restore();
  }

  // Before and after of one place side by side, four times as large as at 100 %.
  paintLens() {
    const side = Math.round(LENS.side * this.ratio);
    const lens = this.magnifier;
    const panes = this.after ? 2 : 1;
    if (lens.width !== side * panes || lens.height !== side) Object.assign(lens, { width: side * panes, height: side });
    lens.style.width = `${LENS.side * panes}px`;
    lens.style.height = `${LENS.side}px`;
    const context = lens.getContext("2d");
    context.clearRect(0, 0, lens.width, side);
    const zoom = LENS.zoom * Math.max(1, Math.round(this.ratio));
    const x = Math.round(side / 2 - this.lens.x * zoom);
    const y = Math.round(side / 2 - this.lens.y * zoom);
    for (let pane = 0; pane < panes; pane++) {
      context.save();
      context.beginPath();
      context.rect(pane * side, 0, side, side);
      context.clip();
      if (pane === 0) this.under(context, x, y, zoom);
      if (pane === 0) this.place(context, this.before, x, y, zoom);
      else this.blended(context, x + side, y, zoom);
      context.restore();
    }
    context.fillStyle = "#fff";
    if (panes === 2) context.fillRect(side - this.ratio, 0, 2 * this.ratio, side);
    // Beside the point, inside the stage.
    const box = this.stage.getBoundingClientRect();
    const px = (this.x + this.lens.x * this.scale) / this.ratio;
    const py = (this.y + this.lens.y * this.scale) / this.ratio;
    const left = Math.min(Math.max(4, px - (LENS.side * panes) / 2), box.width - LENS.side * panes - 4);
    const above = py - LENS.side - 28;
    lens.style.left = `${left}px`;
    lens.style.top = `${above >= 4 ? above : Math.min(py + 28, box.height - LENS.side - 4)}px`;
  }

  // -- hands --

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.ratio, y: (event.clientY - box.top) * this.ratio };
  }

  // The pixel of the source at a point of the canvas, inside the picture; null outside, unless `kept` to its edge.
  pixel(point, kept = false) {
    const at = this.toPicture(point.x, point.y);
    if (!kept && (at.x < 0 || at.y < 0 || at.x >= this.width || at.y >= this.height)) return null;
    const { x, y } = this.share;
    return [Math.floor(this.clampX(at.x) * x), Math.floor(this.clampY(at.y) * y)];
  }

  // A point of the canvas in the source, with its fraction; it may lie outside the picture.
  inSource(point) {
    const at = this.toPicture(point.x, point.y);
    const { x, y } = this.share;
    return { x: at.x * x, y: at.y * y };
  }

  // The mark under a point of the canvas: a point near it, or the frame of a box.
  markAt(point) {
    const near = GRASP * this.ratio;
    const hit = ({ kind, value }) => {
      const at = this.onCanvas(kind === "box" ? value : value.map((each) => each + 0.5));
      if (kind !== "box") return Math.hypot(at[0] - point.x, at[1] - point.y) <= near;
      const inside = (by) => point.x >= at[0] - by && point.x <= at[2] + by && point.y >= at[1] - by && point.y <= at[3] + by;
      return inside(near / 2) && !inside(-near / 2);
    };
    return [...this.marks].reverse().find(hit) || null;
  }

  // Colours of the picture after at a pixel of the source, as #rrggbb: the pixel's own, with those that touch it; then the most
  // frequent ones around it, which differ from each other.
  coloursAt(pixel) {
    const image = this.after;
    if (!image) return [];
    const { x, y } = this.share;
    const sample = (reach) => {
      const [left, top] = [Math.max(0, Math.floor(pixel[0] / x) - reach), Math.max(0, Math.floor(pixel[1] / y) - reach)];
      const [right, bottom] = [Math.min(image.width, left + 2 * reach + 1), Math.min(image.height, top + 2 * reach + 1)];
      const pen = new OffscreenCanvas(right - left, bottom - top).getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, -left, -top);
      return pen.getImageData(0, 0, right - left, bottom - top).data;
    };
    // Colours that share the upper three bits of each channel are one.
    const groups = (data) => {
      const found = new Map();
      for (let place = 0; place < data.length; place += 4) {
        if (data[place + 3] < 128) continue;
        const key = (data[place] >> 5) * 64 + (data[place + 1] >> 5) * 8 + (data[place + 2] >> 5);
        const group = found.get(key) || [0, 0, 0, 0];
        for (let channel = 0; channel < 3; channel++) group[channel] += data[place + channel];
        group[3]++;
        found.set(key, group);
      }
      return [...found.values()].sort((one, other) => other[3] - one[3]);
    };
    const found = [];
    for (const group of [...groups(sample(1)).slice(0, 1), ...groups(sample(AROUND)).slice(0, 8)]) {
      const colour = group.slice(0, 3).map((sum) => Math.round(sum / group[3]));
      if (found.every((other) => Math.hypot(...colour.map((level, channel) => level - other[channel])) >= APART)) found.push(colour);
    }
    return found.slice(0, 6).map((colour) => `#${colour.map((level) => level.toString(16).padStart(2, "0")).join("")}`);
  }

  // A hand that did not move has clicked: it takes away the mark that is there, or places a point or a hint.
  click(point, other) {
    const mark = other && this.placing === "hint" ? null : this.markAt(point);
    if (mark) {
      this.onErase(mark);
      return;
    }
    const pixel = this.pixel(point);
    if (["point", "hint"].includes(this.placing) && pixel) this.onPlace(this.placing, pixel, other);
  }

  drop(start, point) {
    this.rubber = null;
    const from = this.pixel(start, true);
    const to = this.pixel(point, true);
    const size = this.source || this;
    const box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.min(size.width, Math.max(from[0], to[0]) + 1), Math.min(size.height, Math.max(from[1], to[1]) + 1)];
    if (box[2] - box[0] > 2 && box[3] - box[1] > 2) this.onPlace("box", box, false);
    this.draw();
  }

  nearDivider(x) {
    return this.after && !this.onlyBefore && Math.abs(x - this.at * this.canvas.width) <= REACH * this.ratio;
  }

  listen() {
    const canvas = this.canvas;
    this.divider.addEventListener("input", () => this.setDivider(Number(this.divider.value) / 100));
    canvas.addEventListener("pointerdown", (event) => {
      // The middle button moves the picture, whatever the first one does.
      if (event.button > 1) return;
      if (event.button === 1) event.preventDefault();
      const point = this.point(event);
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, point);
      this.start = this.pointers.size === 1 ? point : null;
      if (this.pointers.size > 1 && this.dragging === "tool") this.tool?.cancel();
      if (this.pointers.size === 1 && this.tool && this.before && event.button === 0) {
        this.dragging = "tool";
        this.over = point;
        this.tool.down(this.inSource(point));
        return;
      }
      const boxing = this.placing === "box" && this.before && !this.markAt(point);
      this.dragging = this.pointers.size > 1 || event.button === 1 ? "picture" : boxing ? "box" : this.nearDivider(point.x) ? "divider" : "picture";
    });
    canvas.addEventListener("pointermove", (event) => {
      const point = this.point(event);
      const last = this.pointers.get(event.pointerId);
      if (this.magnifying) {
        this.lens = this.toPicture(point.x, point.y);
        this.draw();
      }
      if (this.tool) {
        this.over = point;
        this.draw();
      }
      if (!last) {
        if (this.tool) {
          canvas.style.cursor = "crosshair";
          return;
        }
        const marking = this.placing && this.before && this.pixel(point);
        canvas.style.cursor = this.placing && this.markAt(point) ? "pointer" : marking && this.placing === "box" ? "crosshair" : this.nearDivider(point.x) ? "ew-resize" : marking ? "crosshair" : "grab";
        return;
      }
      if (this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
        const spread = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
        const middle = { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 };
        this.pan((point.x - last.x) / 2, (point.y - last.y) / 2);
        this.zoomTo((this.scale * spread(point)) / spread(last), middle.x, middle.y);
      } else if (this.dragging === "tool") {
        // All places that the hand has passed, not those of each frame alone.
        for (const each of event.getCoalescedEvents?.() ?? [event]) {
          const next = this.point(each);
          this.tool?.move(this.inSource(this.pointers.get(event.pointerId)), this.inSource(next));
          this.pointers.set(event.pointerId, next);
        }
      } else if (this.dragging === "box") {
        const [one, other] = [this.start, point].map((each) => this.toPicture(each.x, each.y));
        this.rubber = [Math.min(one.x, other.x), Math.min(one.y, other.y), Math.max(one.x, other.x), Math.max(one.y, other.y)];
        this.draw();
      } else if (this.dragging === "divider") {
        this.setDivider(point.x / canvas.width);
      } else {
        this.pan(point.x - last.x, point.y - last.y);
      }
      this.pointers.set(event.pointerId, point);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        const point = this.point(event);
        const alone = this.pointers.size === 1 && this.start && name === "pointerup";
        const still = alone && Math.hypot(point.x - this.start.x, point.y - this.start.y) <= STILL * this.ratio;
        this.pointers.delete(event.pointerId);
        if (this.dragging === "tool") {
          if (name === "pointerup") this.tool?.up();
          else this.tool?.cancel();
          // A finger that has left is over nothing.
          if (event.pointerType === "touch") this.over = null;
        } else if (alone && this.dragging === "box" && !still) this.drop(this.start, point);
        else if (still && this.before && this.placing) this.click(point, event.altKey);
        this.rubber = null;
        this.start = null;
        if (!this.pointers.size) this.dragging = null;
        this.draw();
      });
    }
    canvas.addEventListener("pointerleave", () => {
      this.over = null;
      if (this.tool) this.draw();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const point = this.point(event);
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.zoomTo(this.scale * Math.exp((-event.deltaY * lines) / 400), point.x, point.y);
    }, { passive: false });
    canvas.addEventListener("dblclick", () => {
      // Two clicks are two marks where marks are placed.
      if (!this.placing && !this.tool) this.fitted ? this.zoomTo(1) : this.fit();
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("keyup", (event) => {
      if (event.key.toLowerCase() === "b") this.showOnlyBefore(false);
    });
    canvas.addEventListener("blur", () => this.showOnlyBefore(false));
  }

  showOnlyBefore(on) {
    if (on === this.onlyBefore) return;
    this.onlyBefore = on;
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 40 * this.ratio;
    const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      if (this.magnifying) {
        const far = event.shiftKey ? 1 : 10;
        this.lens = { x: this.clampX(this.lens.x - x * far), y: this.clampY(this.lens.y - y * far) };
        this.draw();
      } else this.pan(x * step, y * step);
    } else if (event.key === "+" || event.key === "=") this.zoomTo(this.scale * 1.25);
    else if (event.key === "-") this.zoomTo(this.scale / 1.25);
    else if (event.key === "0") this.fit();
    else if (event.key === "1") this.zoomTo(1);
    else if (event.key === "[") this.setDivider(this.at - 0.02);
    else if (event.key === "]") this.setDivider(this.at + 0.02);
    else if (event.key.toLowerCase() === "b") this.showOnlyBefore(true);
    else if (!this.onKey(event.key)) return;
    event.preventDefault();
  }

  clampX(x) { return Math.min(this.width, Math.max(0, x)); }
  clampY(y) { return Math.min(this.height, Math.max(0, y)); }
}
