// A mask that is painted by hand: white with a soft edge, an eraser, and the picture of it for people and for the service.

const MOST = 4e6; // pixels of a mask: that of a larger picture is smaller, and the service scales it
const SPACING = 0.25; // between two stamps, as a share of the radius

export class Brush {
  // For a picture of that size; `colour` is what the mask is shown in, as [red, green, blue].
  constructor(width, height, colour) {
    this.share = Math.min(1, Math.sqrt(MOST / (width * height)));
    this.width = Math.max(1, Math.round(width * this.share));
    this.height = Math.max(1, Math.round(height * this.share));
    this.colour = colour;
    this.mask = new OffscreenCanvas(this.width, this.height);
    this.pen = this.mask.getContext("2d", { willReadFrequently: true });
    this.veil = new OffscreenCanvas(this.width, this.height);
    this.clear();
  }

  clear() {
    this.pen.globalCompositeOperation = "source-over";
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, this.width, this.height);
    this.show(0, 0, this.width, this.height);
  }

  invert() {
    this.pen.globalCompositeOperation = "difference";
    this.pen.fillStyle = "#fff";
    this.pen.fillRect(0, 0, this.width, this.height);
    this.show(0, 0, this.width, this.height);
  }

  // Whether nothing is painted.
  get empty() {
    const { data } = this.pen.getImageData(0, 0, this.width, this.height);
    for (let place = 0; place < data.length; place += 4) if (data[place] > 0) return false;
    return true;
  }

  // Takes a mask of any size: its alpha where that lets anything through, else its light, as the service does.
  take(image) {
    this.pen.globalCompositeOperation = "copy";
    this.pen.imageSmoothingQuality = "high";
    this.pen.drawImage(image, 0, 0, this.width, this.height);
    const picture = this.pen.getImageData(0, 0, this.width, this.height);
    const { data } = picture;
    let opaque = true;
    for (let place = 3; place < data.length && opaque; place += 4) opaque = data[place] === 255;
    for (let place = 0; place < data.length; place += 4) {
      const level = opaque ? 0.299 * data[place] + 0.587 * data[place + 1] + 0.114 * data[place + 2] : data[place + 3];
      data[place] = data[place + 1] = data[place + 2] = Math.round(level);
      data[place + 3] = 255;
    }
    this.pen.putImageData(picture, 0, 0);
    this.show(0, 0, this.width, this.height);
  }

  // A stroke between two points of the picture. `radius` is in its pixels; `soft` is the share of it over which the edge fades.
  // Stamps are joined by the larger value, or erased by the smaller: a stroke that crosses itself gets no harder edge.
  stroke(from, to, { radius, soft, erasing }) {
    const size = Math.max(0.5, radius * this.share);
    const [x0, y0, x1, y1] = [from.x, from.y, to.x, to.y].map((each) => each * this.share);
    const count = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / Math.max(0.5, size * SPACING)));
    const [inside, outside] = erasing ? ["#000", "#fff"] : ["#fff", "#000"];
    this.pen.globalCompositeOperation = erasing ? "darken" : "lighten";
    for (let step = from === to ? count : 0; step <= count; step++) {
      const [x, y] = [x0 + ((x1 - x0) * step) / count, y0 + ((y1 - y0) * step) / count];
      const stamp = this.pen.createRadialGradient(x, y, size * Math.min(0.98, 1 - soft), x, y, size);
      stamp.addColorStop(0, inside);
      stamp.addColorStop(1, outside);
      this.pen.fillStyle = stamp;
      this.pen.fillRect(x - size - 1, y - size - 1, 2 * size + 2, 2 * size + 2);
    }
    const left = Math.min(x0, x1) - size - 1;
    const top = Math.min(y0, y1) - size - 1;
    this.show(left, top, Math.abs(x1 - x0) + 2 * size + 2, Math.abs(y1 - y0) + 2 * size + 2);
  }

  // Makes a part of what people see of it.
  show(left, top, width, height) {
    const x = Math.max(0, Math.floor(left));
    const y = Math.max(0, Math.floor(top));
    const wide = Math.min(this.width, Math.ceil(left + width)) - x;
    const high = Math.min(this.height, Math.ceil(top + height)) - y;
    if (wide <= 0 || high <= 0) return;
    const part = this.pen.getImageData(x, y, wide, high);
    const { data } = part;
    for (let place = 0; place < data.length; place += 4) {
      data[place + 3] = data[place] * 0.5;
      [data[place], data[place + 1], data[place + 2]] = this.colour;
    }
    this.veil.getContext("2d").putImageData(part, x, y);
  }

  // Draws it over the picture, which has that place and size.
  paint(context, x, y, width, height) {
    context.imageSmoothingEnabled = true;
    context.drawImage(this.veil, x, y, width, height);
  }

  async file(name) {
    return new File([await this.mask.convertToBlob({ type: "image/png" })], name, { type: "image/png" });
  }
}
