// Colours for the canvases, read from the style sheet, and word when light turns dark.

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => canvasColour(style.getPropertyValue(name).trim());
  return {
    text: of("--bo-muted"),
    line: of("--bo-line"),
    good: of("--bo-good"),
    bad: of("--bo-bad"),
    info: of("--bo-info"),
    warn: of("--bo-warn"),
    surface: of("--bo-surface"),
    goodSoft: of("--bo-good-soft"),
    badSoft: of("--bo-bad-soft"),
  };
}

export function onThemeChange(redraw) {
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
}

// Chart libraries parse rgb and hex, not oklch: one pixel, drawn and read back, translates any colour.
function canvasColour(value) {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  context.fillStyle = value;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
}
