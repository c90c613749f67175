import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { Curves } from "./curves.tsx";

it("draws each curve over its own points, and a single point as a dot", () => {
  const points = [
    { x: 1, y: 3 },
    { x: 2, y: 2 },
  ];
  const curves = [
    { name: "Training", points },
    { name: "Held out", points: [{ x: 0, y: 4 }] },
  ];
  const drawn = renderToStaticMarkup(<Curves curves={curves} label="Loss by step" unit="loss" />);
  expect(drawn).toContain('role="img" aria-label="Loss by step"');
  const [training, heldOut] = [...drawn.matchAll(/<path[^>]* d="([^"]+)"/g)].map(([, d]) => d);
  expect([training, heldOut]).toEqual(["M340.0,100.0L628.0,190.0", "M52.0,10.0"]);
  expect(drawn.match(/<circle/g)).toHaveLength(1);
  expect(renderToStaticMarkup(<Curves curves={[]} label="none" unit="loss" />)).toBe("");
});
