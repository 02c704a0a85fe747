// All paintings of the model as cards; the chosen ones have sliders.

import { on, request, send } from "./connection.mjs";
import { $, element, mayConduct, notice, state } from "./state.mjs";
import { choose, handsAct, look, mixer, putMix, replaceMix, showThumbnail } from "./mixer.mjs";

const cards = new Map();

function build() {
  cards.clear();
  for (const style of state.styles) {
    const picture = element("img", { alt: "", loading: "lazy" });
    showThumbnail(picture, style.name);
    const card = element("button", {}, picture,
      element("span", { className: "text" }, style.title,
        element("small", { textContent: [style.artist, style.year].filter(Boolean).join(", ") })));
    card.onclick = () => { choose(style.name, !mixer.chosen.includes(style.name)); show(); };
    cards.set(style, card);
  }
  $("cards").replaceChildren(...[...cards.values()].map((card) => element("li", {}, card)));
  show();
}

function show() {
  const wanted = $("painting-search").value.trim().toLowerCase();
  for (const [{ title, artist, year, name }, card] of cards) {
    card.parentNode.hidden = !`${title} ${artist} ${year} ${name}`.toLowerCase().includes(wanted);
    card.setAttribute("aria-pressed", mixer.chosen.includes(name));
  }
  $("no-cards").hidden = [...cards.values()].some((card) => !card.parentNode.hidden);
  const painted = state.styles.filter(({ name }) => mixer.chosen.includes(name)).length;
  $("chosen-count").textContent = `${painted} of ${state.styles.length} chosen`;
}

$("open-paintings").onclick = () => {
  $("painting-search").value = "";
  build();
  $("paintings").showModal();
  // On a touch screen a keyboard would come up over the cards.
  if (!matchMedia("(pointer: coarse)").matches) $("painting-search").focus();
};
$("close-paintings").onclick = () => $("paintings").close();
$("painting-search").oninput = show;
on("hello", () => {
  $("add-painting").hidden = !state.teaches;
  $("cannot-add").hidden = state.teaches;
  if ($("paintings").open) build();
  takeBack();
});

// A picture dropped on the page is a painting to learn.
export async function teach(file) {
  $("paintings").close();  // notices would be behind it
  if (!mayConduct()) return;
  if (file.size > 20e6) { notice("That picture is larger than 20 MB."); return; }
  const title = file.name.replace(/\.[^.]*$/, "").replaceAll(/[_-]+/g, " ");
  const response = await request(`/paintings?title=${encodeURIComponent(title)}`, { method: "POST", body: file });
  if (!response.ok) notice(await response.text(), 12);
}
$("painting-file").onchange = ({ target }) => {
  if (target.files[0]) teach(target.files[0]);
  target.value = "";
};
let isLearning = false;
let replaced = null;  // the style that is learned, and the mixture that it took the place of
const isKnown = (style) => state.styles.some(({ name }) => name === style);
const cancel = element("button", { id: "cancel-lesson", textContent: "Cancel", title: "Forget what is learned" });
cancel.onclick = () => send({ type: "cancel_lesson" });
$("stop-lesson").after(cancel);
$("stop-lesson").onclick = () => {
  if (isLearning) send({ type: "stop_lesson" });
  else if (state.conducts) send({ type: "close_lesson" });
  $("lesson").hidden = !isLearning;
};

on("lesson", ({ status, style, title, step, steps, loss, message }) => {
  const isRunning = status === "running";
  const isNews = isRunning || isLearning;
  isLearning = isRunning;
  $("lesson").hidden = status === "idle";
  $("stop-lesson").textContent = isRunning ? "That will do" : "Close";
  $("cancel-lesson").hidden = !isRunning;
  $("lesson-progress").hidden = !isRunning;
  $("lesson-progress").value = isRunning ? step / steps : 1;
  $("lesson-text").textContent = isRunning
    ? `${message}: ${title}${step ? `, update ${step} of ${steps}, style loss ${loss.toFixed(3)}` : "…"}` : message;
  if (isNews && isKnown(style) && !mixer.chosen.includes(style) && state.conducts) {
    replaced = { style, mix: look().mix };
    mixer.chosen.unshift(style);
    replaceMix({ [style]: 1 });
  }
});

// Where nothing but the painting was mixed that is not learned after all, what was there before is.
function takeBack() {
  if (!replaced || isKnown(replaced.style)) return;
  const isEmpty = ![...mixer.values.values()].some((value) => value > 0);
  if (isEmpty && handsAct()) putMix(replaced.mix);
  replaced = null;
}
