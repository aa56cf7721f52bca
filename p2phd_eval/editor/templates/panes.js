// The pictures beside each other: one zoom for all, and on each of them what is pointed at and drawn.

const MOST_ZOOM = 32;
const LONGEST = 1600; // pixels of an overlay, so that outlines are sharp when it is enlarged

export class Panes {
  // listener: { down, move, up, leave, act, say } with points of the scene {x, y}
  constructor(root, listener) {
    this.root = root;
    this.listener = listener;
    this.panes = new Map();
    this.size = { width: 2, height: 1 };
    this.view = { zoom: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.cross = null;
    this.paintOverlay = () => {};
    this.dirty = false;
  }

  // A pane: { id, title, className }
  add({ id, title, className = "" }) {
    const figure = document.createElement("figure");
    figure.className = `pane ${className}`;
    figure.id = `pane-${id}`;
    const caption = document.createElement("figcaption");
    const name = document.createElement("b");
    name.textContent = title;
    const note = document.createElement("span");
    caption.append(name, note);
    const frame = document.createElement("div");
    frame.className = "frame";
    const picture = document.createElement("canvas");
    picture.className = "picture";
    picture.setAttribute("aria-hidden", "true");
    const overlay = document.createElement("canvas");
    overlay.className = "overlay";
    overlay.tabIndex = 0;
    overlay.setAttribute("role", "application");
    overlay.setAttribute("aria-label", `${title}. Arrow keys move a cross, Enter does what a click does.`);
    frame.append(picture, overlay);
    figure.append(caption, frame);
    this.root.append(figure);
    const pane = { id, figure, caption, name, note, frame, picture, overlay };
    this.panes.set(id, pane);
    this.listen(pane);
    return pane;
  }

  get(id) {
    return this.panes.get(id);
  }

  show(id, shown) {
    this.panes.get(id).figure.hidden = !shown;
    this.redraw();
  }

  isShown(id) {
    return !this.panes.get(id).figure.hidden;
  }

  resize(width, height) {
    if (width === this.size.width && height === this.size.height) return;
    this.size = { width, height };
    this.cross = null;
    this.root.style.setProperty("--ratio", `${width} / ${height}`);
    const scale = Math.max(1, Math.min(8, Math.floor(LONGEST / Math.max(width, height))));
    for (const { picture, overlay } of this.panes.values()) {
      picture.width = width;
      picture.height = height;
      overlay.width = width * scale;
      overlay.height = height * scale;
    }
    this.fit();
  }

  drawPicture(id, image) {
    const { picture } = this.panes.get(id);
    const context = picture.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = true;
    context.clearRect(0, 0, picture.width, picture.height);
    context.drawImage(image, 0, 0, picture.width, picture.height);
  }

  context(id) {
    return this.panes.get(id).picture.getContext("2d", { willReadFrequently: true });
  }

  pixels(id) {
    return this.context(id).getImageData(0, 0, this.size.width, this.size.height);
  }

  // --- What lies over the pictures

  redraw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      const shown = [...this.panes.values()].filter(({ figure }) => !figure.hidden);
      if (!shown.length) return;
      const first = shown[0].overlay;
      const context = first.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, first.width, first.height);
      const scale = first.width / this.size.width;
      context.scale(scale, scale);
      this.paintOverlay(context);
      if (this.cross) this.paintCross(context);
      for (const { overlay } of shown.slice(1)) {
        const other = overlay.getContext("2d");
        other.clearRect(0, 0, overlay.width, overlay.height);
        other.drawImage(first, 0, 0);
      }
    });
  }

  // Pixels of the scene that one of the screen takes.
  line() {
    const shown = [...this.panes.values()].find(({ figure }) => !figure.hidden);
    return this.size.width / Math.max(1, shown?.frame.clientWidth ?? 1) / this.view.zoom;
  }

  paintCross(context) {
    const { x, y } = this.cross;
    const arm = 12 * this.line();
    for (const [colour, width] of [["#000", 4 * this.line()], ["#fff", 1.5 * this.line()]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x + 0.5 - arm, y + 0.5);
      context.lineTo(x + 0.5 + arm, y + 0.5);
      context.moveTo(x + 0.5, y + 0.5 - arm);
      context.lineTo(x + 0.5, y + 0.5 + arm);
      context.stroke();
    }
  }

  // --- The view

  fit() {
    this.setView({ zoom: 1, x: 0, y: 0 });
  }

  // Zoom by a factor about a place of the frame, in shares of its size.
  zoomBy(factor, about = { x: 0.5, y: 0.5 }) {
    const { zoom, x, y } = this.view;
    const wanted = Math.min(MOST_ZOOM, Math.max(1, zoom * factor));
    const ratio = wanted / zoom;
    this.setView({ zoom: wanted, x: about.x * (1 - ratio) + x * ratio, y: about.y * (1 - ratio) + y * ratio });
  }

  setView({ zoom, x, y }) {
    const bound = (value) => Math.min(0, Math.max(1 - zoom, value));
    this.view = { zoom, x: bound(x), y: bound(y) };
    this.root.style.setProperty("--zoom", zoom);
    this.root.style.setProperty("--x", 100 * this.view.x);
    this.root.style.setProperty("--y", 100 * this.view.y);
    document.body.dataset.zoomed = zoom > 1 ? "yes" : "no";
    this.redraw();
    this.listener.zoomed(zoom);
  }

  // --- Pointers and keys

  pointOf({ overlay }, event) {
    const box = overlay.getBoundingClientRect();
    return {
      x: Math.floor(((event.clientX - box.left) / box.width) * this.size.width),
      y: Math.floor(((event.clientY - box.top) / box.height) * this.size.height),
    };
  }

  shareOf({ frame }, event) {
    const box = frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  listen(pane) {
    const { overlay } = pane;
    let begun = null; // of a press: where it was, and whether it has become a drag of the view
    overlay.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.cross = null;
      overlay.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.shareOf(pane, event));
      if (this.pointers.size > 1) {
        begun = null;
        this.listener.cancel();
        return;
      }
      begun = { event, pans: this.listener.pans() && this.view.zoom > 1, moved: false };
      if (!begun.pans) this.listener.down(this.pointOf(pane, event));
    });
    overlay.addEventListener("pointermove", (event) => {
      const before = this.pointers.get(event.pointerId);
      const here = this.shareOf(pane, event);
      if (before) this.pointers.set(event.pointerId, here);
      if (this.pointers.size === 2 && before) {
        const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1e-6;
        this.zoomBy(distance(here, other) / distance(before, other), { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 });
        return;
      }
      if (begun?.pans) {
        begun.moved ||= Math.hypot(event.clientX - begun.event.clientX, event.clientY - begun.event.clientY) > 4;
        if (begun.moved) this.setView({ zoom: this.view.zoom, x: this.view.x + here.x - before.x, y: this.view.y + here.y - before.y });
        return;
      }
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.listener.move(this.pointOf(pane, each), begun !== null);
    });
    const end = (event) => {
      const last = this.pointers.size === 1;
      this.pointers.delete(event.pointerId);
      if (!last || !begun) return;
      const { pans, moved } = begun;
      begun = null;
      if (event.type === "pointercancel") this.listener.cancel();
      else if (!pans) this.listener.up(this.pointOf(pane, event));
      else if (!moved) {
        this.listener.down(this.pointOf(pane, event));
        this.listener.up(this.pointOf(pane, event));
      }
    };
    overlay.addEventListener("pointerup", end);
    overlay.addEventListener("pointercancel", end);
    overlay.addEventListener("pointerleave", () => this.listener.leave());
    overlay.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.zoomBy(Math.exp(-event.deltaY / 300), this.shareOf(pane, event));
      },
      { passive: false },
    );
    overlay.addEventListener("keydown", (event) => this.press(event));
    overlay.addEventListener("blur", () => {
      this.cross = null;
      this.redraw();
    });
  }

  press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      event.preventDefault();
      const step = event.shiftKey ? 8 : 1;
      const { width, height } = this.size;
      const from = this.cross ?? { x: width >> 1, y: height >> 1 };
      const [dx, dy] = this.cross ? steps[event.key] : [0, 0];
      this.cross = {
        x: Math.min(width - 1, Math.max(0, from.x + dx * step)),
        y: Math.min(height - 1, Math.max(0, from.y + dy * step)),
      };
      this.listener.crossed(this.cross);
      this.redraw();
    } else if ((event.key === "Enter" || event.key === " ") && this.cross) {
      event.preventDefault();
      this.listener.act(this.cross);
    }
  }
}
