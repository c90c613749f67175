/** Colours and dashes, which the page's style sheets define. */

const [COLOURS, DASHES] = [6, 6];
const PATTERNS = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [4, 2]];

/** Return the combination of colour and dashes; the first 36 styles have different ones. */
export function lookOf(style: number): { colour: number; dashes: number } {
  const dashes = (style + Math.floor(style / COLOURS)) % DASHES;
  return { colour: style % COLOURS, dashes };
}

/** The style of a line that only guides the eye. */
export const GUIDE = -1;

/** Return the CSS classes of a line or a dot. */
export function classesOf(style: number): string {
  if (style === GUIDE) return "series is-guide";
  const { colour, dashes } = lookOf(style);
  return `series colour-${colour} dashes-${dashes}${isHollow(style) ? " is-hollow" : ""}`;
}

export function dashesOf(style: number): number[] {
  return style === GUIDE ? [] : (PATTERNS[lookOf(style).dashes] ?? []);
}

/** Whether dots of this style are hollow: the colours repeat after six. */
export function isHollow(style: number): boolean {
  return Math.floor(style / COLOURS) % 2 === 1;
}

/** Return the present value of a custom property that is a colour. */
export function colourOf(element: Element, property: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${property})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export function seriesColour(element: Element, style: number): string {
  if (style === GUIDE) return colourOf(element, "--control");
  return colourOf(element, `--series-${lookOf(style).colour + 1}`);
}

/** Call a function whenever the theme changes; return what ends that. */
export function onTheme(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    dark.removeEventListener("change", changed);
  };
}
