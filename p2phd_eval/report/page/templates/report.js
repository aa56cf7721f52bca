"use strict";

// Tables are sorted by their headings: numbers by value, others as text; what is missing stays at the end.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    const numbers = head.classList.contains("number");
    const key = (row) => {
      const cell = row.cells[column];
      return numbers ? Number(cell.dataset.value ?? NaN) : cell.textContent;
    };
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const order = (a, b) => {
        if (!numbers) return sign * a.localeCompare(b, "en", { numeric: true });
        return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
      };
      body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
    });
  });
}

// Two pictures of a label map, one over the other, with an edge that moves.
const slider = document.getElementById("slider");
if (slider) {
  const part = (role) => slider.querySelector(`[data-role="${role}"]`);
  const stack = slider.querySelector(".stack");
  const range = slider.querySelector("input");
  const tilesOf = (row) => [...document.querySelectorAll(`.pictures[data-row="${row}"] img`)];
  const rows = part("row").options.length;

  const move = () => stack.style.setProperty("--at", `${range.value}%`);
  const show = () => {
    const tiles = tilesOf(part("row").value);
    for (const [side, role] of [["left", "above"], ["right", "below"]]) {
      const tile = tiles.find((each) => each.dataset.name === part(side).value);
      part(role).src = tile.src;
      part(role).alt = tile.alt;
    }
  };
  const follow = (event) => {
    const box = stack.getBoundingClientRect();
    range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
    move();
  };
  const turn = (select, by) => { select.selectedIndex = (select.selectedIndex + by + rows) % rows; };

  for (const role of ["row", "left", "right"]) part(role).addEventListener("change", show);
  part("previous").addEventListener("click", () => { turn(part("row"), -1); show(); });
  part("next").addEventListener("click", () => { turn(part("row"), 1); show(); });
  range.addEventListener("input", move);
  stack.addEventListener("pointerdown", (event) => { stack.setPointerCapture(event.pointerId); follow(event); });
  stack.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  stack.addEventListener("dragstart", (event) => event.preventDefault());

  // All pictures of a label map, or one of them, over the whole window. Zoom and place are the same for all.
  const large = document.getElementById("large");
  const control = (role) => large.querySelector(`[data-role="${role}"]`);
  const panes = large.querySelector(".panes");
  const view = { zoom: 1, x: 0, y: 0 }; // x, y: how far the pictures are moved, in per cent of their size

  const place = () => {
    const most = 50 * (view.zoom - 1);
    view.x = Math.min(most, Math.max(-most, view.x));
    view.y = Math.min(most, Math.max(-most, view.y));
    panes.style.setProperty("--view", `translate(${view.x}%, ${view.y}%) scale(${view.zoom})`);
    panes.classList.toggle("zoomed", view.zoom > 1);
    control("zoom").textContent = `${Math.round(100 * view.zoom)} %`;
  };
  const zoomBy = (factor) => {
    const zoom = Math.min(16, Math.max(1, view.zoom * factor));
    view.x *= zoom / view.zoom;
    view.y *= zoom / view.zoom;
    view.zoom = zoom;
    place();
  };
  const moveBy = (x, y) => { view.x += x; view.y += y; place(); };
  const fill = () => {
    const only = control("only").value;
    const tiles = tilesOf(control("row").value).filter((each) => !only || each.dataset.name === only);
    panes.classList.toggle("single", tiles.length === 1);
    panes.replaceChildren(...tiles.map((tile) => {
      const pane = document.createElement("figure");
      const frame = document.createElement("div");
      const caption = document.createElement("figcaption");
      frame.className = "frame";
      frame.style.setProperty("--ratio", tile.naturalWidth / tile.naturalHeight);
      frame.append(Object.assign(document.createElement("img"), { src: tile.src, alt: tile.alt, draggable: false }));
      caption.textContent = tile.dataset.name;
      pane.append(frame, caption);
      return pane;
    }));
  };
  const step = (by) => { turn(control("row"), by); fill(); };
  const open = (row, name) => {
    control("row").value = row;
    control("only").value = name;
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
    fill();
    place();
    large.showModal();
    panes.focus({ preventScroll: true });
  };

  for (const role of ["row", "only"]) control(role).addEventListener("change", fill);
  control("previous").addEventListener("click", () => step(-1));
  control("next").addEventListener("click", () => step(1));
  control("in").addEventListener("click", () => zoomBy(1.5));
  control("out").addEventListener("click", () => zoomBy(1 / 1.5));
  large.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const zoomed = view.zoom > 1;
    const actions = {
      "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), "0": () => zoomBy(0),
      PageUp: () => step(-1), PageDown: () => step(1),
      ArrowLeft: () => (zoomed ? moveBy(10, 0) : step(-1)), ArrowRight: () => (zoomed ? moveBy(-10, 0) : step(1)),
      ArrowUp: zoomed && (() => moveBy(0, 10)), ArrowDown: zoomed && (() => moveBy(0, -10)),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  panes.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  }, { passive: false });
  panes.addEventListener("pointerdown", (event) => { if (view.zoom > 1) panes.setPointerCapture(event.pointerId); });
  panes.addEventListener("pointermove", (event) => {
    if (!panes.hasPointerCapture(event.pointerId)) return;
    const { width, height } = panes.querySelector(".frame").getBoundingClientRect();
    moveBy((100 * event.movementX) / width, (100 * event.movementY) / height);
  });

  for (const button of document.querySelectorAll(".open")) {
    const image = button.querySelector("img");
    const row = button.closest(".pictures").dataset.row;
    button.addEventListener("click", () => open(row, image.dataset.name));
  }
  part("together").addEventListener("click", () => open(part("row").value, ""));
  slider.hidden = false;
  show();
  move();
}
