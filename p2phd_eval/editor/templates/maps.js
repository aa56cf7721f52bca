// The label and instance map of a scene, as the server has them: what a point belongs to, and how it is drawn.

export class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height);
    this.count = 0;
    this.box = null; // left, top, right, bottom, the last two inside
  }

  static of(width, height, inside) {
    const mask = new Mask(width, height);
    let left = width, top = height, right = -1, bottom = -1;
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        if (!inside(i)) continue;
        mask.pixels[i] = 1;
        mask.count++;
        if (x < left) left = x;
        if (x > right) right = x;
        if (y < top) top = y;
        if (y > bottom) bottom = y;
      }
    }
    mask.box = mask.count ? [left, top, right, bottom] : null;
    return mask;
  }

  // Fill it and draw its outline, moved by an offset. `line`: the width of the outline, in pixels of the scene.
  draw(context, { fill, line, x: dx = 0, y: dy = 0 }) {
    if (!this.box) return;
    context.save();
    context.translate(dx, dy);
    if (fill) {
      this.filled ??= this.picture();
      context.globalAlpha = fill;
      context.imageSmoothingEnabled = false;
      context.drawImage(this.filled, 0, 0);
      context.globalAlpha = 1;
    }
    if (line) {
      this.outline ??= this.path();
      // Seen on light and on dark.
      for (const [colour, width] of [["#000", 3 * line], ["#fff", 1.5 * line]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.stroke(this.outline);
      }
    }
    context.restore();
  }

  picture() {
    const image = new ImageData(this.width, this.height);
    for (let i = 0; i < this.pixels.length; i++) if (this.pixels[i]) image.data.fill(255, 4 * i, 4 * i + 4);
    const canvas = new OffscreenCanvas(this.width, this.height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // The sides of its pixels that others are beyond.
  path() {
    const { width, height, pixels } = this;
    const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x];
    const path = new Path2D();
    const [left, top, right, bottom] = this.box;
    const side = (x, y, x1, y1) => {
      path.moveTo(x, y);
      path.lineTo(x1, y1);
    };
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        if (!at(x, y)) continue;
        if (!at(x - 1, y)) side(x, y, x, y + 1);
        if (!at(x + 1, y)) side(x + 1, y, x + 1, y + 1);
        if (!at(x, y - 1)) side(x, y, x + 1, y);
        if (!at(x, y + 1)) side(x, y + 1, x + 1, y + 1);
      }
    }
    return path;
  }
}

export class Maps {
  constructor(width, height, buffer, features) {
    const n = width * height;
    this.width = width;
    this.height = height;
    this.label = new Int32Array(buffer, 0, n);
    this.instance = buffer.byteLength >= 8 * n ? new Int32Array(buffer, 4 * n, n) : null;
    this.regions = this.instance && features === "instance" ? this.instance : this.label;
  }

  inside(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  classAt({ x, y }) {
    return this.label[y * this.width + x];
  }

  numberAt({ x, y }) {
    return this.instance ? this.instance[y * this.width + x] : null;
  }

  regionAt({ x, y }) {
    return this.regions[y * this.width + x];
  }

  // What is pointed at: pixels of one class and number; without numbers those that hang together.
  objectAt(point) {
    const label = this.classAt(point);
    if (this.instance) {
      const number = this.numberAt(point);
      return Mask.of(this.width, this.height, (i) => this.instance[i] === number && this.label[i] === label);
    }
    const seen = new Uint8Array(this.label.length);
    const todo = [point.y * this.width + point.x];
    seen[todo[0]] = 1;
    while (todo.length) {
      const i = todo.pop();
      const x = i % this.width;
      for (const [j, there] of [
        [i - 1, x > 0],
        [i + 1, x < this.width - 1],
        [i - this.width, i >= this.width],
        [i + this.width, i + this.width < this.label.length],
      ]) {
        if (there && !seen[j] && this.label[j] === label) {
          seen[j] = 1;
          todo.push(j);
        }
      }
    }
    return Mask.of(this.width, this.height, (i) => seen[i]);
  }

  // The label map in colours, with thin dark edges between objects.
  paint(context, colourOf) {
    const { width, height, label, instance } = this;
    const image = new ImageData(width, height);
    const colours = new Map();
    for (let i = 0; i < label.length; i++) {
      let colour = colours.get(label[i]);
      if (colour === undefined) colours.set(label[i], (colour = colourOf(label[i])));
      const edge =
        instance &&
        ((i % width && instance[i] !== instance[i - 1]) || (i >= width && instance[i] !== instance[i - width]));
      const share = edge ? 0.55 : 1;
      image.data[4 * i] = (colour >> 16) * share;
      image.data[4 * i + 1] = ((colour >> 8) & 255) * share;
      image.data[4 * i + 2] = (colour & 255) * share;
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }
}
