/** Colours, dashes and shapes, which the page's style sheets define. */

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

type Corner = [x: number, y: number];

/** Return corners around the middle; every second one is nearer to it by the factor `inner`. */
function polygon(corners: number, turn = 0, inner = 1): Corner[] {
  return Array.from({ length: corners }, (_, at) => {
    const [angle, radius] = [2 * Math.PI * (at / corners + turn), at % 2 ? inner : 1];
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** A circle, a diamond, a triangle, a square, the other triangle, a star. */
const SHAPES = [
  ...[polygon(24), polygon(4), polygon(3, -1 / 4)],
  ...[polygon(4, 1 / 8), polygon(3, 1 / 4), polygon(10, -1 / 4, 0.4)],
];

/** Return the corners of a dot's shape; colours alone look alike to some. */
export function shapeOf(style: number): Corner[] {
  return SHAPES[lookOf(style).dashes] ?? [];
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
