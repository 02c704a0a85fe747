// All paintings of the model as cards; the chosen ones have sliders.

import { on, send, withToken } from "./connection.mjs";
import { $, element, notice, state } from "./state.mjs";
import { choose, commit, mixer, setMix, thumbnail } from "./mixer.mjs";

function show() {
  const wanted = $("painting-search").value.trim().toLowerCase();
  const found = state.styles.filter(({ title, artist, year, name }) =>
    `${title} ${artist} ${year} ${name}`.toLowerCase().includes(wanted));
  $("cards").replaceChildren(...found.map((style) => {
    const isChosen = mixer.chosen.includes(style.name);
    const picture = element("img", { alt: "", loading: "lazy", width: 256, height: 144 });
    if (state.source?.name) picture.src = thumbnail(style.name);
    const card = element("button", {}, picture,
      element("span", { className: "text" }, style.title,
        element("small", { textContent: [style.artist, style.year].filter(Boolean).join(", ") })));
    card.setAttribute("aria-pressed", isChosen);
    card.onclick = () => {
      choose(style.name, card.getAttribute("aria-pressed") !== "true");
      card.setAttribute("aria-pressed", mixer.chosen.includes(style.name));
      count();
    };
    return element("li", {}, card);
  }));
  if (!found.length) $("cards").append(element("li", { className: "hint", textContent: "No painting of that name." }));
  count();
}

function count() {
  const painted = state.styles.filter(({ name }) => mixer.chosen.includes(name)).length;
  $("chosen-count").textContent = `${painted} of ${state.styles.length} chosen`;
}

$("open-paintings").onclick = () => { show(); $("paintings").showModal(); };
$("close-paintings").onclick = () => $("paintings").close();
$("painting-search").oninput = show;
on("hello", () => { if ($("paintings").open) show(); });

// A picture dropped on the page is a painting to learn.
export async function teach(file) {
  if (file.size > 20 << 20) { notice("That picture is larger than 20 MB."); return; }
  const title = file.name.replace(/\.[^.]*$/, "").replaceAll(/[_-]+/g, " ");
  const path = withToken(`/paintings?title=${encodeURIComponent(title)}`);
  const response = await fetch(path, { method: "POST", body: file });
  if (!response.ok) notice(await response.text(), 12);
}
$("painting-file").onchange = ({ target }) => {
  if (target.files[0]) teach(target.files[0]);
  target.value = "";
};
let isLearning = false;
$("stop-lesson").onclick = () => {
  if (isLearning) send({ type: "stop_lesson" });
  else $("lesson").hidden = true;
};

on("lesson", ({ status, style, step, steps, loss, message }) => {
  const isRunning = status === "running";
  isLearning = isRunning;
  $("lesson").hidden = status === "idle";
  $("stop-lesson").textContent = isRunning ? "That will do" : "Close";
  $("lesson-progress").hidden = !isRunning;
  $("lesson-progress").value = isRunning ? step / steps : 1;
  $("lesson-text").textContent = isRunning
    ? `${message}: ${style}, update ${step} of ${steps}${loss ? `, style loss ${loss.toFixed(3)}` : ""}` : message;
  const isKnown = state.styles.some(({ name }) => name === style);
  if (isRunning && isKnown && !mixer.chosen.includes(style) && state.conducts) {
    mixer.chosen.unshift(style);
    setMix({ [style]: 1 });
    commit();
  }
});
