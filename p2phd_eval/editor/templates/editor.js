// The page: what a person does, told to the server, and what it makes of it, shown.

import { Maps } from "./maps.js";
import { Panes } from "./panes.js";
import { address, ask, askImage, askJson, Refusal, tell, upload } from "./server.js";

const $ = (id) => document.getElementById(id);
const GAIN = 4; // differences are amplified, as in the product's other pictures
const QUICK = 250; // ms: where a picture takes no longer, styles are shown unasked
const HELP = {
  select: "Click an object. Zoomed in, drag to move the view.",
  brush: "Drag to paint the chosen class. One stroke of things that are counted is one new thing.",
  object: "Choose an object, then click where its middle is to be.",
  move: "Drag an object. Its number and style stay.",
};

let facts; // of the session
let state; // of the image, as the server says
let maps; // of the image
let classes = new Map();
let tool = "select";
let label = 0; // the class that is painted
let pointer = null;
let selected = null; // { point, mask, region, label, number }
let hovered = null;
let stroke = null; // points
const sent = new Set(); // strokes that are painted until the map shows them
let moving = null; // { from, to, mask }
let stamp = null; // what is pasted: { source, label, image, width, height }
let clipboard = null; // a style
let difference = null;
let requests = new AbortController();
let begun = 0; // when the last change was asked for
let pictureTime = Infinity;
let turn = Promise.resolve(); // changes follow each other
const originals = new Map(); // bitmaps by image and arm
const photos = new Map();

const panes = new Panes($("panes"), {
  down,
  move,
  up,
  leave() {
    pointer = hovered = null;
    panes.redraw();
  },
  cancel,
  act,
  crossed(point) {
    pointer = point;
    if (stroke) stroke.push([point.x, point.y]);
    if (moving) moving.to = point;
    say(`x ${point.x}, y ${point.y}: ${describe(point)}`);
    hover(point);
  },
  pans: () => tool === "select",
  zoomed(zoom) {
    $("zoom-reset").textContent = `${Math.round(100 * zoom)} %`;
    $("zoom-out").disabled = zoom <= 1;
  },
});

// --- Words

function say(text) {
  $("status").textContent = text;
}

function complain(error) {
  if (error.name === "AbortError") return;
  $("error-text").textContent = error instanceof Refusal ? error.message : `The server does not answer (${error.message}). Is it still running?`;
  $("error").hidden = false;
}

function nameOf(value) {
  return classes.get(value)?.name ?? (facts.label_nc ? `class ${value}` : `#${value.toString(16).padStart(6, "0")}`);
}

function colourOf(value) {
  return classes.get(value)?.colour ?? (facts.label_nc ? 0x808080 : value);
}

function css(colour) {
  return `#${colour.toString(16).padStart(6, "0")}`;
}

function describe(point) {
  const number = maps.numberAt(point);
  return nameOf(maps.classAt(point)) + (number === null ? "" : `, number ${number}`);
}

function describeStyle(style) {
  if (!style) return "as drawn";
  if (style.kind === "cluster") return `cluster ${style.k} of ${facts.label_nc ? nameOf(style.label) : "all"}`;
  if (style.kind === "drawn") return `as drawn for region ${style.region} of ${style.image}`;
  if (style.kind === "photo") return `of the photo ${style.image}, region ${style.region}`;
  return `of a file${style.box ? ", in a box" : ""}`;
}

function describeEdit({ kind, label: of }) {
  const what = of === null ? "" : nameOf(of);
  const words = { style: "Restyled", label: `Became ${what}`, object: `Added ${what}`, stroke: `Painted ${what}`, remove: "Removed", move: "Moved" };
  return words[kind];
}

// --- The server's state, shown

function change(name, body) {
  turn = turn.then(async () => {
    begun = performance.now();
    document.body.dataset.busy = "yes";
    $("error").hidden = true;
    try {
      await show(await tell(name, typeof body === "function" ? body() : body));
    } catch (error) {
      complain(error);
      document.body.dataset.busy = "no";
      panes.redraw();
      if (error.status === 409) await show(await askJson("image", { image: state.image })).catch(complain);
    }
  });
  return turn;
}

const edit = (values) => change("edit", { image: state.image, ...values });
const goTo = (wanted) => change("go-to", () => ({ image: state.image, position: wanted(state.position) }));
const undo = () => goTo((position) => Math.max(0, position - 1));
const redo = () => goTo((position) => position + 1);

async function open(image) {
  turn = turn.then(async () => {
    begun = performance.now();
    document.body.dataset.busy = "yes";
    try {
      selected = hovered = stroke = moving = null;
      const found = await askJson("image", { image });
      $("image").value = image;
      history.replaceState(null, "", `#${encodeURIComponent(image)}`);
      await show(found);
    } catch (error) {
      complain(error);
    }
  });
  return turn;
}

async function show(found) {
  requests.abort();
  requests = new AbortController();
  const { signal } = requests;
  const another = found.image !== state?.image;
  state = found;
  if (found.trouble) complain(new Refusal(`The script is not written. ${found.trouble}`));
  // Pictures are asked for first: they take the longest.
  const pictures = facts.arms.map((_, arm) => askImage("picture", { image: state.image, arm, revision: state.revision }, signal));
  for (const each of pictures) each.catch(() => {});
  const buffer = await (await ask("maps", { image: state.image, revision: state.revision }, signal)).arrayBuffer();
  maps = new Maps(state.width, state.height, buffer, facts.features);
  if (another && state.width !== panes.size.width) {
    $("width").max = Math.max(64, state.width >> 3);
    $("width").value = Math.max(1, state.width >> 5);
    showSliders();
  }
  panes.resize(state.width, state.height);
  maps.paint(panes.context("map"), colourOf);
  const option = [...$("image").options].find(({ value }) => value === state.image);
  option.textContent = state.position ? `${state.image} (${edits(state.position)})` : state.image;
  showHistory();
  if (selected && !another) pick(selected.point, false);
  else showSelection();
  hovered = null;
  panes.redraw();
  if (facts.photos && another) showPhoto(state.image).catch(complain);
  if (another && $("shelf-image").value !== state.image && !stamp) {
    $("shelf-image").value = state.image;
    if (tool === "object") showShelf();
  }
  finish(pictures, signal).catch(complain);
}

async function finish(pictures, signal) {
  facts.arms.forEach((_, arm) => panes.get(`arm-${arm}`).figure.classList.add("waiting"));
  await Promise.all(
    pictures.map(async (promised, arm) => {
      const since = performance.now();
      const picture = await promised;
      if (signal.aborted) return;
      panes.drawPicture(`arm-${arm}`, picture);
      panes.get(`arm-${arm}`).figure.classList.remove("waiting");
      pictureTime = performance.now() - since;
    }),
  );
  if (signal.aborted) return;
  await showDifference(signal);
  const seconds = (performance.now() - begun) / 1000;
  const last = state.position ? describeEdit(state.edits[state.position - 1]) : "No edits";
  say(`${last}. ${edits(state.position)}, shown in ${seconds.toFixed(2)} s.`);
  document.body.dataset.revision = state.revision;
  document.body.dataset.seconds = seconds;
  document.body.dataset.busy = "no";
}

function edits(n) {
  return n === 1 ? "1 edit" : `${n} edits`;
}

async function showPhoto(image) {
  if (!photos.has(image)) photos.set(image, await askImage("photo", { image }));
  if (photos.size > 8) photos.delete(photos.keys().next().value);
  if (image === state.image) panes.drawPicture("photo", photos.get(image));
}

async function original(arm) {
  const key = `${arm} ${state.image}`;
  if (!originals.has(key)) originals.set(key, await askImage("picture", { image: state.image, arm, original: 1 }));
  if (originals.size > 16) originals.delete(originals.keys().next().value);
  return originals.get(key);
}

async function showDifference(signal) {
  if (!panes.isShown("difference")) return;
  const { width, height } = panes.size;
  const [kind, arm] = difference.split(" ");
  const first = panes.pixels(`arm-${arm}`).data;
  let second;
  if (kind === "arms") second = panes.pixels("arm-1").data;
  else {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    const before = await original(arm);
    if (signal?.aborted) return;
    context.drawImage(before, 0, 0, width, height);
    second = context.getImageData(0, 0, width, height).data;
  }
  const image = new ImageData(width, height);
  let sum = 0;
  for (let i = 0; i < first.length; i += 4) {
    for (let channel = 0; channel < 3; channel++) {
      const distance = Math.abs(first[i + channel] - second[i + channel]);
      sum += distance;
      image.data[i + channel] = GAIN * distance; // at most 255: such arrays clip
    }
    image.data[i + 3] = 255;
  }
  panes.context("difference").putImageData(image, 0, 0);
  panes.get("difference").note.textContent = `mean ${((4 * sum) / 3 / first.length).toFixed(2)}, shown × ${GAIN}`;
}

function showHistory() {
  const { position, edits: all } = state;
  $("undo").disabled = position === 0;
  $("redo").disabled = position === all.length;
  const items = [{ text: "As in the data set", to: 0 }, ...all.map((each, i) => ({ text: `${i + 1}  ${describeEdit(each)}`, to: i + 1 }))];
  $("history").replaceChildren(
    ...items.map(({ text, to }) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.className = to > position ? "undone" : "";
      if (to > position) button.setAttribute("aria-label", `${text}, undone`);
      if (to === position) button.setAttribute("aria-current", "step");
      button.onclick = () => goTo(() => to);
      item.append(button);
      return item;
    }),
  );
  $("history").querySelector("[aria-current]").scrollIntoView({ block: "nearest" });
}

// --- Selection and styles

function pick(point, aloud = true) {
  const mask = maps.objectAt(point);
  const region = maps.regionAt(point);
  const same = selected && selected.region === region && selected.label === maps.classAt(point);
  selected = { point, mask, region, label: maps.classAt(point), number: maps.numberAt(point) };
  if (aloud) say(`Selected: ${describe(point)}, ${mask.count} pixels.`);
  showSelection(!same || aloud);
  panes.redraw();
}

function showSelection(another = true) {
  $("selected-actions").hidden = !selected;
  $("style-box").hidden = !selected || !facts.styled;
  $("extend-row").hidden = !facts.instances || !selected || selected.label !== label;
  if (another) {
    $("styles").replaceChildren();
    $("load-styles").hidden = false;
  }
  if (!selected) {
    $("selected").textContent = "Nothing is selected. Click an object in any picture.";
    return;
  }
  if (another) {
    $("relabel").value = selected.label;
    $("apply-label").disabled = true;
  }
  const swatch = document.createElement("span");
  swatch.className = "legend";
  swatch.style.background = css(colourOf(selected.label));
  const number = selected.number === null ? "" : `, number ${selected.number}`;
  $("selected").replaceChildren(swatch, `${nameOf(selected.label)}${number}, ${selected.mask.count} pixels`);
  const style = state.styles[selected.region];
  const whose = facts.features === "label" ? `Of all ${nameOf(selected.label)}` : "Now";
  $("style-now").textContent = `${whose}: ${describeStyle(style)}.`;
  markStyle(style);
  if (another && facts.styled && tool === "select" && pictureTime < QUICK) loadStyles();
}

function deselect() {
  selected = null;
  showSelection();
  panes.redraw();
}

function markStyle(style) {
  const now = JSON.stringify(style ?? null);
  for (const tile of $("styles").children) tile.setAttribute("aria-pressed", tile.dataset.style === now);
}

async function loadStyles() {
  if (!selected || !facts.styled) return;
  const of = selected;
  $("load-styles").disabled = true;
  try {
    const choices = await tell("styles", { image: state.image, point: [of.point.x, of.point.y] });
    if (of.region !== selected?.region) return;
    $("load-styles").hidden = true;
    $("styles").replaceChildren(
      ...choices.map(({ style, png }) => {
        const name = style ? `${style.k}` : "drawn";
        const tile = makeTile(`data:image/png;base64,${png}`, name, style ? `Cluster ${style.k}` : "As drawn");
        tile.dataset.style = JSON.stringify(style);
        tile.onclick = () => setStyle(style);
        return tile;
      }),
    );
    markStyle(state.styles[selected.region]);
  } catch (error) {
    complain(error);
  } finally {
    $("load-styles").disabled = false;
  }
}

function makeTile(source, text, spoken) {
  const tile = document.createElement("button");
  tile.type = "button";
  tile.className = "tile";
  tile.setAttribute("aria-pressed", "false");
  const image = document.createElement("img");
  image.src = source;
  image.alt = "";
  image.loading = "lazy";
  const name = document.createElement("span");
  name.textContent = text;
  tile.append(image, name);
  tile.setAttribute("aria-label", spoken);
  return tile;
}

function setStyle(style) {
  if (selected) edit({ kind: "style", point: [selected.point.x, selected.point.y], style });
}

async function copyStyle() {
  if (!selected || !facts.styled) return;
  try {
    clipboard = await tell("style", { image: state.image, point: [selected.point.x, selected.point.y] });
    $("paste-style").disabled = false;
    say(`Copied: ${describeStyle(clipboard)}. Select another region, in any image, and paste.`);
  } catch (error) {
    complain(error);
  }
}

function pasteStyle() {
  if (clipboard) setStyle(clipboard);
}

async function styleFromFile(file) {
  try {
    const kept = await upload("photo", file);
    const box = await chooseBox(file, kept);
    if (box !== undefined) setStyle({ kind: "file", file: kept.file, sha256: kept.sha256, box });
  } catch (error) {
    complain(error);
  }
}

// Resolves to a box, to null for the whole photo, and to nothing if it is cancelled.
async function chooseBox(file, { width, height }) {
  const dialog = $("box-dialog");
  const canvas = $("box-canvas");
  const context = canvas.getContext("2d");
  const image = await createImageBitmap(file, { imageOrientation: "none" }).catch(() => null);
  const scale = Math.min(1, 900 / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  let box = null;
  let from = null;
  const paint = () => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (image) context.drawImage(image, 0, 0, canvas.width, canvas.height);
    $("box-use").textContent = box ? "Use the box" : "Use the whole photo";
    if (!box) return;
    for (const [colour, line] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(...box.map((each) => each * scale));
    }
  };
  const at = (event) => {
    const shown = canvas.getBoundingClientRect();
    const place = (value, size) => Math.round(Math.min(1, Math.max(0, value)) * size);
    return [place((event.clientX - shown.left) / shown.width, width), place((event.clientY - shown.top) / shown.height, height)];
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = at(event);
    box = null;
    paint();
  };
  canvas.onpointermove = (event) => {
    if (!from) return;
    const to = at(event);
    const size = [Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
    box = size[0] && size[1] ? [Math.min(from[0], to[0]), Math.min(from[1], to[1]), ...size] : null;
    paint();
  };
  canvas.onpointerup = () => (from = null);
  paint();
  dialog.showModal();
  return new Promise((resolve) => {
    let chosen;
    $("box-use").onclick = () => {
      chosen = box;
      dialog.close();
    };
    $("box-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(chosen);
  });
}

function removeSelected() {
  if (!selected) return;
  const { x, y } = selected.point;
  deselect();
  edit({ kind: "remove", point: [x, y] });
}

function relabelSelected() {
  if (selected) edit({ kind: "label", point: [selected.point.x, selected.point.y], label: Number($("relabel").value) });
}

// --- Tools

function setTool(name) {
  cancel();
  tool = name;
  document.body.dataset.tool = name;
  document.querySelector(`input[name="tool"][value="${name}"]`).checked = true;
  $("tool-help").textContent = HELP[name];
  $("brush-options").hidden = name !== "brush";
  $("object-options").hidden = name !== "object";
  $("palette-box").hidden = name === "select" || name === "move";
  if (name === "object" && !$("shelf").children.length) showShelf();
  panes.redraw();
}

function setLabel(value) {
  label = value;
  const radio = document.querySelector(`input[name="class"][value="${value}"]`);
  if (radio) radio.checked = true;
  $("colour").value = css(colourOf(value));
  if (stamp) stamp.label = value;
  showSelection(false);
}

function brushWidth() {
  return Number($("width").value);
}

function scale() {
  return Number((2 ** (Number($("scale").value) / 10)).toFixed(3));
}

function showSliders() {
  $("width-shown").textContent = `${brushWidth()} pixels`;
  $("scale-shown").textContent = `${Math.round(100 * scale())} %`;
  panes.redraw();
}

async function showShelf() {
  const image = $("shelf-image").value;
  try {
    const objects = await askJson("objects", { image });
    if (image !== $("shelf-image").value) return;
    $("shelf").replaceChildren(
      ...objects.map((each) => {
        const source = address("object", { image, label: each.label, number: each.number });
        const tile = makeTile(source, nameOf(each.label), `${nameOf(each.label)}, number ${each.number}, ${each.pixels} pixels`);
        tile.onclick = () => {
          for (const other of $("shelf").children) other.setAttribute("aria-pressed", other === tile);
          const [, , width, height] = each.box;
          takeStamp({ source: { kind: "cut", image, label: each.label, number: each.number }, label: each.label, width, height }, source);
        };
        return tile;
      }),
    );
  } catch (error) {
    complain(error);
  }
}

async function takeStamp(found, source) {
  stamp = found;
  setLabel(found.label);
  const image = new Image();
  image.src = source;
  await image.decode().catch(() => {});
  if (stamp === found) stamp.image = image;
  say(`${nameOf(found.label)} of ${found.width} × ${found.height} pixels: click where it is to be.`);
  panes.redraw();
}

async function stampFromFile(file) {
  try {
    const kept = await upload("mask", file);
    for (const tile of $("shelf").children) tile.setAttribute("aria-pressed", "false");
    const { width, height } = kept;
    const shown = URL.createObjectURL(file);
    await takeStamp({ source: { kind: "file", file: kept.file, sha256: kept.sha256 }, label, width, height }, shown);
    URL.revokeObjectURL(shown);
  } catch (error) {
    complain(error);
  }
}

function stampPlace(point) {
  const [width, height] = [stamp.width * scale(), stamp.height * scale()];
  return { at: [Math.round(point.x + 0.5 - width / 2), Math.round(point.y + 0.5 - height / 2)], width, height };
}

function down(point) {
  if (!maps) return;
  pointer = point;
  if (tool === "brush") stroke = [[point.x, point.y]];
  if (tool === "move" && maps.inside(point.x, point.y)) {
    pick(point);
    moving = { from: point, to: point, mask: selected.mask };
  }
  panes.redraw();
}

function move(point, pressed) {
  if (!maps) return;
  pointer = point;
  if (pressed && stroke) {
    const last = stroke[stroke.length - 1];
    if (last[0] !== point.x || last[1] !== point.y) stroke.push([point.x, point.y]);
  }
  if (pressed && moving) moving.to = point;
  hover(point);
}

function up(point) {
  if (!maps) return;
  if (tool === "select" && maps.inside(point.x, point.y)) pick(point);
  if (tool === "object") paste(point);
  if (tool === "brush" && stroke) finishStroke();
  if (tool === "move" && moving) finishMove();
  panes.redraw();
}

// What a click does, by the keyboard.
function act(point) {
  if (tool === "select") pick(point);
  else if (tool === "object") paste(point);
  else if (tool === "brush") stroke ? finishStroke() : down(point);
  else if (moving) finishMove();
  else down(point);
}

function paste(point) {
  if (!stamp) {
    say("Choose an object first, or a mask from a file.");
    return;
  }
  edit({ kind: "object", source: stamp.source, label: stamp.label, at: stampPlace(point).at, scale: scale() });
}

function finishStroke() {
  const extend = $("extend").checked && selected && selected.label === label && facts.instances;
  const done = { points: stroke, width: brushWidth(), label };
  stroke = null;
  sent.add(done);
  edit({ kind: "stroke", ...done, ...(extend ? { number: selected.number } : {}) }).then(() => {
    sent.delete(done);
    panes.redraw();
  });
}

function finishMove() {
  const { from, to } = moving;
  const offset = [to.x - from.x, to.y - from.y];
  moving = null;
  if (!offset[0] && !offset[1]) return;
  const moved = { x: from.x + offset[0], y: from.y + offset[1] };
  if (maps.inside(moved.x, moved.y)) selected.point = moved;
  else deselect();
  edit({ kind: "move", point: [from.x, from.y], offset });
}

function cancel() {
  stroke = moving = null;
  panes.redraw();
}

function hover(point) {
  if (tool !== "brush" && maps.inside(point.x, point.y)) {
    const i = point.y * maps.width + point.x;
    if (!hovered?.pixels[i]) hovered = maps.objectAt(point);
  } else hovered = null;
  panes.redraw();
}

function paintStroke(context, { points, width, label: of }) {
  context.strokeStyle = css(colourOf(of));
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x + 0.5, y + 0.5);
  if (points.length === 1) context.lineTo(points[0][0] + 0.501, points[0][1] + 0.5);
  context.stroke();
}

panes.paintOverlay = (context) => {
  if (!maps) return;
  const line = panes.line();
  // What is selected is seen as it is.
  const isSelected = hovered && selected && hovered.pixels[selected.point.y * maps.width + selected.point.x];
  if (hovered && !isSelected && tool !== "object" && !moving) hovered.draw(context, { fill: 0.3 });
  if (selected && !moving) selected.mask.draw(context, { line });
  if (moving) moving.mask.draw(context, { fill: 0.45, line, x: moving.to.x - moving.from.x, y: moving.to.y - moving.from.y });
  for (const each of sent) paintStroke(context, each);
  if (stroke) paintStroke(context, { points: stroke, width: brushWidth(), label });
  if (!pointer) return;
  if (tool === "brush") {
    for (const [colour, width] of [["#000", 3 * line], ["#fff", 1.5 * line]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(pointer.x + 0.5, pointer.y + 0.5, brushWidth() / 2, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  if (tool === "object" && stamp?.image) {
    const { at, width, height } = stampPlace(pointer);
    context.globalAlpha = 0.85;
    context.drawImage(stamp.image, at[0], at[1], width, height);
    context.globalAlpha = 1;
  }
};

// --- The page itself

function step(by) {
  const keys = facts.images.map(({ key }) => key);
  open(keys[(keys.indexOf(state.image) + by + keys.length) % keys.length]);
}

function nextDifference() {
  const select = panes.get("difference").select;
  if (!panes.isShown("difference")) document.querySelector('#shown input[value="difference"]').click();
  else {
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    select.dispatchEvent(new Event("change"));
  }
}

async function save() {
  $("save").disabled = true;
  $("error").hidden = true;
  say("Saving …");
  try {
    say((await tell("save", {})).message);
  } catch (error) {
    say("Not saved.");
    complain(error);
  } finally {
    $("save").disabled = false;
  }
}

function slide(id, by) {
  $(id).value = Number($(id).value) + by;
  showSliders();
}

const KEYS = {
  v: () => setTool("select"),
  b: () => setTool("brush"),
  o: () => setTool("object"),
  m: () => setTool("move"),
  c: copyStyle,
  p: pasteStyle,
  s: loadStyles,
  d: nextDifference,
  "[": () => slide(tool === "object" ? "scale" : "width", -1),
  "]": () => slide(tool === "object" ? "scale" : "width", 1),
  "+": () => panes.zoomBy(1.5),
  "=": () => panes.zoomBy(1.5),
  "-": () => panes.zoomBy(1 / 1.5),
  0: () => panes.fit(),
  ",": () => step(-1),
  ".": () => step(1),
  "?": () => $("help").showModal(),
  Delete: removeSelected,
  Backspace: removeSelected,
};

document.addEventListener("keydown", (event) => {
  if (!state || document.querySelector("dialog[open]")) return;
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && !event.altKey) {
    const wanted = key.toLowerCase();
    if (wanted === "z" || wanted === "y") {
      event.preventDefault();
      if (wanted === "y" || event.shiftKey) redo();
      else undo();
    }
    return;
  }
  if (event.altKey || event.target.matches("input:not([type=radio], [type=checkbox], [type=range]), select, textarea")) return;
  if (key === "Escape") {
    if (stroke || moving) cancel();
    else if (stamp && tool === "object") {
      stamp = null;
      panes.redraw();
    } else deselect();
  } else if ($("single-keys").checked && Object.hasOwn(KEYS, key)) {
    event.preventDefault();
    KEYS[key]();
  }
});

function addPane(pane, shown, chip) {
  const made = panes.add(pane);
  const box = document.createElement("label");
  const input = document.createElement("input");
  input.type = "checkbox";
  input.value = pane.id;
  input.checked = shown;
  const text = document.createElement("span");
  text.textContent = chip ?? pane.title;
  box.append(input, text);
  $("shown").append(box);
  input.onchange = () => {
    panes.show(pane.id, input.checked);
    if (pane.id === "difference" && input.checked) showDifference().catch(complain);
  };
  panes.show(pane.id, shown);
  return made;
}

function options(select, values) {
  select.replaceChildren(
    ...values.map(([value, text]) => {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = text;
      return option;
    }),
  );
}

function makePalette() {
  $("palette").replaceChildren(
    ...facts.classes.map(({ label: value, name, colour }) => {
      const row = document.createElement("label");
      const radio = document.createElement("input");
      radio.type = "radio";
      radio.name = "class";
      radio.value = value;
      radio.onchange = () => setLabel(value);
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = css(colour);
      const text = document.createElement("span");
      text.textContent = name;
      const number = document.createElement("span");
      number.className = "number";
      number.textContent = facts.label_nc ? value : "";
      row.append(radio, swatch, text, number);
      return row;
    }),
  );
  options($("relabel"), facts.classes.map(({ label: value, name }) => [value, name]));
  $("colour-row").hidden = facts.label_nc > 0;
}

async function start() {
  facts = await askJson("session");
  document.title = `${facts.data}: edit`;
  classes = new Map(facts.classes.map((each) => [each.label, each]));
  const wide = matchMedia("(min-width: 44.01rem)").matches;
  addPane({ id: "map", title: "Label map", className: "map" }, true, "Map");
  if (facts.photos) addPane({ id: "photo", title: "Photo" }, wide);
  facts.arms.forEach(({ name, precision, training_step: steps }, arm) => {
    const { note } = addPane({ id: `arm-${arm}`, title: name }, true);
    note.textContent = name === precision ? `step ${steps}` : `${precision}, step ${steps}`;
  });
  const pane = addPane({ id: "difference", title: "Difference" }, wide);
  pane.select = document.createElement("select");
  pane.select.setAttribute("aria-label", "Which difference");
  const names = facts.arms.map(({ name }) => name);
  options(pane.select, [
    ...(names.length > 1 ? [["arms 0", `${names[0]} against ${names[1]}`]] : []),
    ...names.map((name, arm) => [`original ${arm}`, `${name} since the original`]),
  ]);
  pane.name.replaceWith(pane.select);
  difference = pane.select.value;
  pane.select.onchange = () => {
    difference = pane.select.value;
    showDifference().catch(complain);
  };
  const images = facts.images.map(({ key, edits: n }) => [key, n ? `${key} (${edits(n)})` : key]);
  options($("image"), images);
  options($("shelf-image"), facts.images.map(({ key }) => [key, key]));
  makePalette();
  $("where").textContent = `Written to ${facts.folder}/edits.json as you edit.`;
  $("photo-style").hidden = !facts.photos;

  $("image").onchange = () => open($("image").value);
  $("previous").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  $("undo").onclick = undo;
  $("redo").onclick = redo;
  $("save").onclick = save;
  $("show-help").onclick = () => $("help").showModal();
  $("dismiss").onclick = () => ($("error").hidden = true);
  $("zoom-in").onclick = KEYS["+"];
  $("zoom-out").onclick = KEYS["-"];
  $("zoom-reset").onclick = KEYS[0];
  $("width").oninput = $("scale").oninput = showSliders;
  $("shelf-image").onchange = showShelf;
  $("remove").onclick = removeSelected;
  $("relabel").onchange = () => ($("apply-label").disabled = Number($("relabel").value) === selected?.label);
  $("apply-label").onclick = relabelSelected;
  $("copy-style").onclick = copyStyle;
  $("paste-style").onclick = pasteStyle;
  $("load-styles").onclick = loadStyles;
  $("photo-style").onclick = () => selected && setStyle({ kind: "photo", image: state.image, region: selected.region });
  $("colour").oninput = () => {
    const value = parseInt($("colour").value.slice(1), 16);
    for (const radio of document.querySelectorAll('input[name="class"]')) radio.checked = Number(radio.value) === value;
    label = value;
    if (stamp) stamp.label = value;
  };
  for (const [id, use] of [["mask", stampFromFile], ["style-file", styleFromFile]]) {
    $(id).onchange = () => {
      const [file] = $(id).files;
      $(id).value = "";
      if (!file) return;
      if (file.size > facts.most_bytes) complain(new Refusal(`${file.name}: expected at most ${facts.most_bytes >> 20} MiB.`));
      else use(file);
    };
  }
  for (const input of document.querySelectorAll('input[name="tool"]')) input.onchange = () => setTool(input.value);
  showSliders();
  setTool("select");
  setLabel(facts.classes[0].label);
  const wanted = facts.images.find(({ key }) => `#${encodeURIComponent(key)}` === location.hash);
  await open((wanted ?? facts.images[0]).key);
}

start().catch(complain);
