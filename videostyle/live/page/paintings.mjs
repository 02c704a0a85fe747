// All paintings of the model as cards; the chosen ones have sliders.

import { on } from "./connection.mjs";
import { $, element, state } from "./state.mjs";
import { choose, mixer, thumbnail } from "./mixer.mjs";

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
