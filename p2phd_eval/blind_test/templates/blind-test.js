"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const { page, photo, schema, schemaVersion } = document.body.dataset;
  const rows = [...document.querySelectorAll("script.images")];
  const columns = photo === "yes" ? 3 : 2;
  const store = `p2phd-eval blind test ${page}`;
  const stacked = window.matchMedia("(max-width: 40rem) and (orientation: portrait)");

  // What one person has done so far. Order and sides are drawn for each person, so that habits of the eye or the hand
  // and getting tired speak for neither image.
  let state = null;
  let shown = 0; // counts what was put on the stage; what is decoded too late is dropped
  let since = null; // when the images appeared; null while there are none

  // A page from the disk may be refused a store; then a reload starts anew.
  function keep() {
    try {
      if (state) localStorage.setItem(store, JSON.stringify(state));
      else localStorage.removeItem(store);
      return true;
    } catch {
      return false;
    }
  }

  function kept() {
    try {
      const found = JSON.parse(localStorage.getItem(store));
      const whole = found && found.order.length === rows.length && found.swapped.length === rows.length;
      return whole && Array.isArray(found.answers) ? found : null;
    } catch {
      return null;
    }
  }

  // A uniform integer below a number, without the bias of a remainder.
  function draw(below) {
    const limit = Math.floor(2 ** 32 / below) * below;
    const drawn = new Uint32Array(1);
    do crypto.getRandomValues(drawn); while (drawn[0] >= limit);
    return drawn[0] % below;
  }

  function begin(participant) {
    const order = rows.map((_, trial) => trial);
    for (let i = order.length - 1; i > 0; i--) {
      const j = draw(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    const session = Array.from({ length: 16 }, () => draw(16).toString(16)).join("");
    state = { participant, session, order, swapped: rows.map(() => draw(2) === 1), answers: [] };
    keep();
    go();
  }

  function go() {
    const screen = !state ? "start" : state.answers.length < rows.length ? "trial" : "end";
    for (const id of ["start", "trial", "end"]) $(id).hidden = id !== screen;
    document.body.classList.toggle("judging", screen === "trial");
    since = null;
    if (screen === "start") $("name").focus();
    if (screen === "trial") showTrial();
    if (screen === "end") showEnd();
  }

  const decoded = new Map(); // of the trials before, at and after the present one
  function decode(trial) {
    if (!decoded.has(trial)) {
      const image = new Image();
      image.src = `data:image/png;base64,${rows[trial].textContent}`;
      decoded.set(trial, image.decode().then(() => image));
    }
    return decoded.get(trial);
  }

  async function showTrial() {
    const turn = ++shown;
    const done = state.answers.length;
    const trial = state.order[done];
    $("position").textContent = `${done + 1} of ${rows.length}`;
    $("progress").value = done;
    $("who").textContent = state.participant;
    $("back").disabled = done === 0;
    $("stage").classList.add("blank");
    const near = state.order.slice(Math.max(0, done - 1), done + 2);
    for (const other of [...decoded.keys()]) if (!near.includes(other)) decoded.delete(other);
    let image;
    try {
      image = await decode(trial);
    } catch {
      $("problem").hidden = false;
      return;
    }
    if (turn !== shown) return;
    const width = image.naturalWidth / columns;
    const height = image.naturalHeight;
    $("trial").style.setProperty("--w", width);
    $("trial").style.setProperty("--h", height);
    const first = state.swapped[trial] ? "right" : "left";
    const places = [$(first), $(first === "left" ? "right" : "left"), $("photo")].slice(0, columns);
    places.forEach((place, column) => {
      const canvas = place.querySelector("canvas");
      canvas.width = width;
      canvas.height = height;
      canvas.getContext("2d").drawImage(image, column * width, 0, width, height, 0, 0, width, height);
    });
    requestAnimationFrame(() => {
      if (turn !== shown) return;
      $("stage").classList.remove("blank"); // all at the same moment
      since = performance.now();
      near.forEach((other) => decode(other).catch(() => {}));
    });
  }

  function answer(side) {
    if (since === null) return;
    const trial = state.order[state.answers.length];
    const chosen = (side === "left") !== state.swapped[trial] ? "first" : "second";
    state.answers.push({ trial, chosen, side, milliseconds: Math.round(performance.now() - since) });
    keep();
    go();
  }

  function back() {
    if (!state || !state.answers.length) return;
    state.answers.pop();
    keep();
    go();
  }

  function crc32(text) {
    let crc = 0xffffffff;
    for (const byte of new TextEncoder().encode(text)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  }

  function results() {
    const { participant, session, answers } = state;
    const lines = answers.map((each) => [each.trial, each.chosen, each.side, each.milliseconds].join(","));
    const checksum = crc32([page, session, ...lines].join("\n"));
    const head = { schema, schema_version: Number(schemaVersion), page, session, participant, checksum };
    return JSON.stringify({ ...head, answers }, null, 1) + "\n";
  }

  function showEnd() {
    $("thanks").textContent = `, ${state.participant}`;
    $("text").value = results();
    $("saved").textContent = "";
    $("save").focus();
  }

  function save() {
    const name = state.participant.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "results";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([results()], { type: "application/json" }));
    link.download = `blind-test-${page.slice(0, 8)}-${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    $("saved").textContent = `Saved as ${link.download}, among your downloads.`;
  }

  async function copy() {
    $("text").select();
    try {
      await navigator.clipboard.writeText($("text").value);
      $("saved").textContent = "Copied.";
    } catch {
      $("saved").textContent = "The text is selected: copy it with your keyboard or menu.";
    }
  }

  function restart(warning) {
    if (!window.confirm(warning)) return;
    state = null;
    keep();
    $("name").value = "";
    go();
  }

  $("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    const participant = $("name").value.replace(/\s+/g, " ").trim();
    if (participant) begin(participant);
  });
  $("left").addEventListener("click", () => answer("left"));
  $("right").addEventListener("click", () => answer("right"));
  $("back").addEventListener("click", back);
  $("last").addEventListener("click", back);
  $("save").addEventListener("click", save);
  $("copy").addEventListener("click", copy);
  $("restart").addEventListener("click", () => restart("Discard your answers and start over?"));
  $("next").addEventListener("click", () => restart("Have the results been saved? They are discarded here."));
  document.addEventListener("keydown", (event) => {
    if (!state || event.altKey || event.ctrlKey || event.metaKey) return;
    // Up and down only where the images stand one above the other.
    const sides = { ArrowLeft: "left", ArrowRight: "right" };
    if (stacked.matches) Object.assign(sides, { ArrowUp: "left", ArrowDown: "right" });
    const side = $("trial").hidden ? undefined : sides[event.key];
    if (side || event.key === "Backspace" || (event.repeat && event.key === "Enter")) event.preventDefault();
    if (event.repeat) return; // a key that is held answers once
    if (side) answer(side);
    if (event.key === "Backspace") back();
  });

  state = kept();
  if (!keep()) [$("kept").hidden, $("not-kept").hidden] = [true, false];
  go();
})();
