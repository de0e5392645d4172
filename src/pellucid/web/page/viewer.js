// The picture before and after: a divider between them, zoom and pan, a magnifier, and the strength as a blend of the two.

const LEAST = 0.02;
const MOST = 32;
const REACH = 24; // CSS pixels around the divider that take hold of it
const LENS = { side: 150, zoom: 4 };

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
    this.strength = 1;
    this.at = 0.5; // the divider's place, as a share of the stage's width
    this.scale = 1; // device pixels for each pixel of the picture
    this.x = 0; // the picture's upper left corner in device pixels
    this.y = 0;
    this.fitted = true;
    this.lens = null; // the point under the magnifier, in pixels of the picture
    this.magnifying = false;
    this.onlyBefore = false;
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
    if (!keep) this.fit();
    this.draw();
  }

  setStrength(strength) {
    this.strength = strength;
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

  // What of the picture after is visible, in pixels of the picture; `point`: where the magnifier is.
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
    if (this.magnifying) this.paintLens();
    this.onChange();
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

  nearDivider(x) {
    return this.after && !this.onlyBefore && Math.abs(x - this.at * this.canvas.width) <= REACH * this.ratio;
  }

  listen() {
    const canvas = this.canvas;
    this.divider.addEventListener("input", () => this.setDivider(Number(this.divider.value) / 100));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      const point = this.point(event);
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, point);
      this.dragging = this.pointers.size === 1 && this.nearDivider(point.x) ? "divider" : "picture";
    });
    canvas.addEventListener("pointermove", (event) => {
      const point = this.point(event);
      const last = this.pointers.get(event.pointerId);
      if (this.magnifying) {
        this.lens = this.toPicture(point.x, point.y);
        this.draw();
      }
      if (!last) {
        canvas.style.cursor = this.nearDivider(point.x) ? "ew-resize" : "grab";
        return;
      }
      if (this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
        const spread = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
        const middle = { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 };
        this.pan((point.x - last.x) / 2, (point.y - last.y) / 2);
        this.zoomTo((this.scale * spread(point)) / spread(last), middle.x, middle.y);
      } else if (this.dragging === "divider") {
        this.setDivider(point.x / canvas.width);
      } else {
        this.pan(point.x - last.x, point.y - last.y);
      }
      this.pointers.set(event.pointerId, point);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const point = this.point(event);
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.zoomTo(this.scale * Math.exp((-event.deltaY * lines) / 400), point.x, point.y);
    }, { passive: false });
    canvas.addEventListener("dblclick", () => (this.fitted ? this.zoomTo(1) : this.fit()));
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
    else if (event.key.toLowerCase() === "m") document.getElementById("magnify").click();
    else return;
    event.preventDefault();
  }

  clampX(x) { return Math.min(this.width, Math.max(0, x)); }
  clampY(y) { return Math.min(this.height, Math.max(0, y)); }
}
