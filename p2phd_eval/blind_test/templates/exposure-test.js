"use strict";
(() => {
{% include "shared.js" %}

  const { page } = document.body.dataset;
  const plan = JSON.parse(document.body.dataset.plan);
  const trials = Number(document.body.dataset.trials);
  const pairs = trials + plan.checks; // the rows after these are practice
  const store = `p2phd-eval blind test ${page}`;
  const stage = $("stage");

  // What one person has done so far: `queue` has the pairs in their order, each with its exposure and its sides.
  // `running` is the pair whose images may have been seen: where the page is closed in it, it is not shown again.
  let state = null;
  let turn = 0; // counts what was begun; what was broken off finds another number
  let since = null; // when the choice was asked for; null while it is not

  const keep = () => keepState(store, state);
  const isWhole = ({ queue, answers, practised, session }) =>
    queue.length === pairs && Array.isArray(answers) && practised >= 0 && typeof session === "string";

  // In each block of as many trials as there are exposures, each stands once, in random order: so the exposures are
  // balanced, and at no time of the session is there more of one. Checks are spread, one in each of equal stretches.
  function drawQueue() {
    const order = shuffled(Array.from({ length: trials }, (_, trial) => trial));
    let block = [];
    const queue = order.map((trial) => {
      if (!block.length) block = shuffled(plan.exposures);
      return { trial, exposure: block.pop(), swapped: draw(2) === 1 };
    });
    const checks = shuffled(Array.from({ length: plan.checks }, (_, check) => trials + check));
    checks.forEach((trial, check) => {
      const [from, to] = [check, check + 1].map((edge) => Math.floor((edge * trials) / plan.checks));
      const place = from + draw(Math.max(1, to - from)) + check;
      queue.splice(place, 0, { trial, exposure: plan.check_exposure, swapped: draw(2) === 1 });
    });
    return queue;
  }

  // Practice: one pair that is shown long, and one for a time from the middle of the exposures.
  const practice = rows.slice(pairs).map((_, place) => ({
    trial: pairs + place,
    exposure: place ? plan.exposures[Math.floor(plan.exposures.length / 2)] : plan.check_exposure,
    swapped: draw(2) === 1,
  }));

  function begin(participant) {
    state = { participant, session: newSession(), queue: drawQueue(), answers: [], practised: 0, running: false };
    keep();
    go();
  }

  const practising = () => state.practised < practice.length;
  const present = () => (practising() ? practice[state.practised] : state.queue[state.answers.length]);

  function go(message = "") {
    turn++;
    since = null;
    const screen = !state ? "start" : state.answers.length < pairs ? "trial" : "end";
    for (const id of ["start", "trial", "end"]) $(id).hidden = id !== screen;
    document.body.classList.toggle("judging", screen === "trial");
    if (screen === "start") $("name").focus();
    if (screen === "trial") waitForStart(message);
    if (screen === "end") showThanks(state.participant, results());
  }

  // Between two pairs nothing happens until the person asks for the next one: that is the pause.
  function waitForStart(message) {
    const done = state.answers.length;
    stage.dataset.phase = "wait";
    $("message").textContent = message;
    $("position").textContent = practising()
      ? `practice ${state.practised + 1} of ${practice.length}`
      : `${done + 1} of ${pairs}`;
    $("progress").value = done;
    $("who").textContent = state.participant;
    prepare(present(), turn);
  }

  // Decode the pair and draw it and its mask where they are not seen yet, so that showing them is one change of opacity.
  async function prepare({ trial, swapped }, own) {
    $("go").disabled = true;
    const next = state.queue[state.answers.length + (practising() ? 0 : 1)];
    const near = next ? [trial, next.trial] : [trial];
    decodeOnly(near);
    let image;
    try {
      image = await decode(trial);
    } catch {
      $("problem").hidden = false;
      return;
    }
    if (own !== turn) return;
    const width = image.naturalWidth / 2;
    const height = image.naturalHeight;
    setSize(width, height);
    const sides = swapped ? ["right", "left"] : ["left", "right"];
    sides.forEach((side, column) => {
      drawColumn($(side).querySelector(".pair"), image, column, width, height);
      drawMask($(side).querySelector(".mask"), image, width, height);
    });
    near.forEach((other) => decode(other).catch(() => {}));
    $("go").disabled = false;
    $("go").focus({ preventScroll: true });
  }

  // Blocks of both images of the pair, in random order, on either side: the pair's own colours, contrasts and edges,
  // which hide it best, and the same for both, so that the mask speaks for neither.
  function drawMask(canvas, image, width, height) {
    const size = Math.max(1, Math.round(Math.min(width, height) / 12));
    const [across, down] = [Math.ceil(width / size), Math.ceil(height / size)];
    const sources = shuffled(Array.from({ length: 2 * across * down }, (_, block) => block));
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    for (let block = 0; block < across * down; block++) {
      const source = sources[block];
      const column = source % (2 * across);
      const x = Math.min((column % across) * size, width - size) + (column < across ? 0 : width);
      const y = Math.min(Math.floor(source / (2 * across)) * size, height - size);
      const [left, top] = [(block % across) * size, Math.floor(block / across) * size];
      context.drawImage(image, x, y, size, size, left, top, size, size);
    }
  }

  const frame = () => new Promise(requestAnimationFrame);
  const micro = (milliseconds) => Math.round(1000 * milliseconds);

  // The display's frame: the time of the cross by the number of frames in it, those that were dropped among them. A
  // single step is known to a tenth of a millisecond, which would be a frame after some seconds.
  function frameLength(ticks) {
    const steps = ticks.slice(1).map((tick, place) => tick - ticks[place]).sort((a, b) => a - b);
    const span = ticks.at(-1) - ticks[0];
    return micro(span / Math.max(1, Math.round(span / steps[Math.floor(steps.length / 2)]))) / 1000;
  }

  // The cross, the pair, the mask, and then the choice. All changes are made in animation frames; when to end is told
  // by their timestamps, so that a frame that was dropped does not make the pair stay.
  async function show() {
    const own = ++turn;
    const { exposure } = present();
    stage.dataset.phase = "cross";
    $("message").textContent = "";
    const ticks = [await frame()];
    while (ticks.at(-1) - ticks[0] < plan.fixation) {
      ticks.push(await frame());
      if (own !== turn) return;
    }
    const length = frameLength(ticks);
    const whole = Math.max(1, Math.floor(exposure / length + 0.51)) * length; // as the rule has it: a half goes up
    if (!practising()) {
      state.running = true;
      keep();
    }
    const from = await frame();
    if (own !== turn) return;
    stage.dataset.phase = "pair";
    const shown = performance.now();
    const after = await frame(); // the first frame that begins with the pair on the screen
    let [now, frames] = [after, 1];
    while (now - from < whole - length / 2) {
      now = await frame();
      if (own !== turn) return;
      frames++;
    }
    stage.dataset.phase = "mask";
    const hidden = performance.now();
    const gone = await frame();
    while ((now = await frame()) - gone < plan.mask - length / 2) if (own !== turn) return;
    if (own !== turn) return;
    stage.dataset.phase = "choice";
    since = performance.now();
    timing = {
      frame: micro(length),
      frames,
      shown: micro(shown),
      hidden: micro(hidden),
      presented: micro(gone - after),
    };
  }

  let timing = null; // of the pair whose choice is asked for

  function answer(side) {
    if (since === null) return;
    const milliseconds = Math.round(performance.now() - since);
    const { trial, exposure, swapped } = present();
    const chosen = (side === "left") !== swapped ? "first" : "second";
    record({ trial, exposure, chosen, side, milliseconds, timing, dropped: null });
    go();
  }

  function record(found) {
    if (practising()) {
      state.practised++;
    } else {
      state.answers.push(found);
      state.running = false;
    }
    keep();
  }

  const LEFT_OUT =
    "The page was not in front while a pair was shown, so that this pair is left out. Please keep it in front.";

  // A pair that may have been seen is not shown again: what was left of it would add up.
  function drop(dropped) {
    const { trial, exposure } = present();
    record({ trial, exposure, chosen: null, side: null, milliseconds: null, timing: null, dropped });
    go(LEFT_OUT);
  }

  function results() {
    const lines = state.answers.map(({ trial, exposure, chosen, side, milliseconds, timing, dropped }) => {
      const { frame, frames, shown, hidden, presented } = timing ?? {};
      const all = [trial, exposure, chosen, side, milliseconds, frame, frames, shown, hidden, presented, dropped];
      return all.join(","); // null and undefined are nothing
    });
    return resultsText(document.body.dataset, state, lines);
  }

  listen({
    begin, answer,
    save: () => saveText(page, state.participant, results()),
    discard: () => {
      state = null;
      keep();
      go();
    },
  });
  $("go").addEventListener("click", () => stage.dataset.phase === "wait" && !$("go").disabled && show());
  document.addEventListener("keydown", (event) => {
    if (!state || event.altKey || event.ctrlKey || event.metaKey) return;
    const side = $("trial").hidden ? undefined : sideOf(event.key);
    if (side || (event.repeat && [" ", "Enter"].includes(event.key))) event.preventDefault();
    if (event.repeat) return; // a key that is held answers once
    if (side) answer(side);
    if (event.key === " " && event.target === document.body) $("go").click(); // where the button has lost the focus
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden" || !state || $("trial").hidden) return;
    if (["pair", "mask"].includes(stage.dataset.phase)) drop("hidden");
    if (stage.dataset.phase !== "cross") return;
    state.running = false;
    keep();
    go("The page was not in front. Nothing of this pair was shown yet, so that it comes once more.");
  });

  state = keptState(store, isWhole);
  if (!keep()) [$("kept").hidden, $("not-kept").hidden] = [true, false];
  if (state?.running) drop("closed");
  else go(state?.answers.at(-1)?.dropped ? LEFT_OUT : ""); // a page that is closed is hidden first
})();
