"use strict";
(() => {
{% include "shared.js" %}

  const { page, photo } = document.body.dataset;
  const columns = photo === "yes" ? 3 : 2;
  const store = `p2phd-eval blind test ${page}`;

  // What one person has done so far. Order and sides are drawn for each person, so that habits of the eye or the hand
  // and getting tired speak for neither image.
  let state = null;
  let shown = 0; // counts what was put on the stage; what is decoded too late is dropped
  let since = null; // when the images appeared; null while there are none

  const keep = () => keepState(store, state);
  const isWhole = ({ order, swapped, answers }) =>
    order.length === rows.length && swapped.length === rows.length && Array.isArray(answers);

  function begin(participant) {
    const order = shuffled(rows.map((_, trial) => trial));
    state = { participant, session: newSession(), order, swapped: rows.map(() => draw(2) === 1), answers: [] };
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
    if (screen === "end") showThanks(state.participant, results());
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
    decodeOnly(near);
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
    setSize(width, height);
    const first = state.swapped[trial] ? "right" : "left";
    const places = [$(first), $(first === "left" ? "right" : "left"), $("photo")].slice(0, columns);
    places.forEach((place, column) => drawColumn(place.querySelector("canvas"), image, column, width, height));
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

  function results() {
    const lines = state.answers.map((each) => [each.trial, each.chosen, each.side, each.milliseconds].join(","));
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
  $("back").addEventListener("click", back);
  $("last").addEventListener("click", back);
  document.addEventListener("keydown", (event) => {
    if (!state || event.altKey || event.ctrlKey || event.metaKey) return;
    const side = $("trial").hidden ? undefined : sideOf(event.key);
    if (side || event.key === "Backspace" || (event.repeat && event.key === "Enter")) event.preventDefault();
    if (event.repeat) return; // a key that is held answers once
    if (side) answer(side);
    if (event.key === "Backspace") back();
  });

  state = keptState(store, isWhole);
  if (!keep()) [$("kept").hidden, $("not-kept").hidden] = [true, false];
  go();
})();
