"use strict";
(() => {
  const slider = document.getElementById("slider");
  if (!slider) return;
  const part = (role) => slider.querySelector(`[data-role="${role}"]`);
  const stack = slider.querySelector(".stack");
  const range = slider.querySelector("input");

  const move = () => stack.style.setProperty("--at", `${range.value}%`);
  const show = () => {
    const tiles = [...document.querySelectorAll(`.pictures[data-row="${part("row").value}"] img[data-name]`)];
    for (const [side, role] of [["left", "above"], ["right", "below"]]) {
      const name = part(side).value;
      const tile = tiles.find((each) => each.dataset.name === name);
      part(role).src = tile.src;
      part(role).alt = tile.alt;
    }
  };
  const follow = (event) => {
    const box = stack.getBoundingClientRect();
    range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
    move();
  };

  for (const role of ["row", "left", "right"]) part(role).addEventListener("change", show);
  range.addEventListener("input", move);
  stack.addEventListener("pointerdown", (event) => { stack.setPointerCapture(event.pointerId); follow(event); });
  stack.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  stack.addEventListener("dragstart", (event) => event.preventDefault());

  const large = document.getElementById("large");
  for (const button of document.querySelectorAll(".open")) {
    button.addEventListener("click", () => {
      const from = button.querySelector("img");
      const to = large.querySelector("img");
      to.src = from.src;
      to.alt = from.alt;
      large.showModal();
    });
  }
  slider.hidden = false;
  show();
  move();
})();
