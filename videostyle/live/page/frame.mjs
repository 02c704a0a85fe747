// Tells the style sheet how wide the picture is for its height, so that a small screen gives it the
// room it fills.

import { $ } from "./state.mjs";

// Two digits: the sizes of the preview differ by a pixel's rounding.
function tellAspect() {
  const { width, height } = $("picture");
  document.documentElement.style.setProperty("--aspect", (width / height).toFixed(2));
}
new MutationObserver(tellAspect).observe($("picture"), { attributeFilter: ["width", "height"] });
