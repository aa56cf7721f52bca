  // What the pages with and without a time limit share.
  const $ = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("script.images")];
  const stacked = window.matchMedia("(max-width: 40rem) and (orientation: portrait)");

  // A page from the disk may be refused a store; then a reload starts anew.
  function keepState(store, state) {
    try {
      if (state) localStorage.setItem(store, JSON.stringify(state));
      else localStorage.removeItem(store);
      return true;
    } catch {
      return false;
    }
  }

  function keptState(store, isWhole) {
    try {
      const found = JSON.parse(localStorage.getItem(store));
      return found && isWhole(found) ? found : null;
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

  function shuffled(list) {
    const order = [...list];
    for (let i = order.length - 1; i > 0; i--) {
      const j = draw(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  const newSession = () => Array.from({ length: 16 }, () => draw(16).toString(16)).join("");

  const decoded = new Map(); // of the trials around the present one
  function decode(trial) {
    if (!decoded.has(trial)) {
      const image = new Image();
      image.src = `data:image/png;base64,${rows[trial].textContent}`;
      decoded.set(trial, image.decode().then(() => image));
    }
    return decoded.get(trial);
  }

  function decodeOnly(near) {
    for (const other of [...decoded.keys()]) if (!near.includes(other)) decoded.delete(other);
  }

  function setSize(width, height) {
    $("trial").style.setProperty("--w", width);
    $("trial").style.setProperty("--h", height);
  }

  function drawColumn(canvas, image, column, width, height) {
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").drawImage(image, column * width, 0, width, height, 0, 0, width, height);
  }

  // The side of an arrow key; up and down only where the images stand one above the other.
  function sideOf(key) {
    const sides = { ArrowLeft: "left", ArrowRight: "right" };
    if (stacked.matches) Object.assign(sides, { ArrowUp: "left", ArrowDown: "right" });
    return sides[key];
  }

  function crc32(text) {
    let crc = 0xffffffff;
    for (const byte of new TextEncoder().encode(text)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  }

  // What is sent. `lines`: an answer each, as the checksum takes them.
  function resultsText({ page, schema, schemaVersion }, { participant, session, answers }, lines) {
    const checksum = crc32([page, session, ...lines].join("\n"));
    const head = { schema, schema_version: Number(schemaVersion), page, session, participant, checksum };
    return JSON.stringify({ ...head, answers }, null, 1) + "\n";
  }

  function showThanks(participant, text) {
    $("thanks").textContent = `, ${participant}`;
    $("text").value = text;
    $("saved").textContent = "";
    $("save").focus();
  }

  function saveText(page, participant, text) {
    const name = participant.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "results";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `blind-test-${page.slice(0, 8)}-${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    $("saved").textContent = `Saved as ${link.download}, among your downloads.`;
  }

  async function copyShown() {
    $("text").select();
    try {
      await navigator.clipboard.writeText($("text").value);
      $("saved").textContent = "Copied.";
    } catch {
      $("saved").textContent = "The text is selected: copy it with your keyboard or menu.";
    }
  }

  const typedName = () => $("name").value.replace(/\s+/g, " ").trim();

  // What the forms and buttons of both pages do. `discard`: forget everything that was answered.
  function listen({ begin, answer, save, discard }) {
    const restart = (warning) => {
      if (!window.confirm(warning)) return;
      $("name").value = "";
      discard();
    };
    $("begin").addEventListener("submit", (event) => {
      event.preventDefault();
      if (typedName()) begin(typedName());
    });
    $("left").addEventListener("click", () => answer("left"));
    $("right").addEventListener("click", () => answer("right"));
    $("save").addEventListener("click", save);
    $("copy").addEventListener("click", copyShown);
    $("restart").addEventListener("click", () => restart("Discard your answers and start over?"));
    $("next").addEventListener("click", () => restart("Have the results been saved? They are discarded here."));
  }
