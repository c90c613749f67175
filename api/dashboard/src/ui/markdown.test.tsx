import { expect, it, vi } from "vitest";
import { mount } from "../testing-page.tsx";
import { Markdown } from "./markdown.tsx";

const CARD = `---
library_name: transformers
base_model: <script>alert(1)</script>
---

# tiny, pruned to 50.0 % zeros

| | dense | pruned |
|---|---:|---:|
| perplexity | 8.6400 | 9.7200 |

Pruned without retraining:

- weights scored by the method \`wanda\`, [Wanda](https://arxiv.org/abs/2306.11695)
- <img src=x onerror=alert(1)> [a](javascript:alert(1))

**Calibration**: 4,096 tokens
of \`c4\`.

\`\`\`python
# no heading
model = 1
\`\`\`
`;

it("shows headings, tables, lists, links and code of a model card", async () => {
  vi.useFakeTimers();
  const { box, unmount } = await mount(<Markdown text={CARD} label="model card" />);
  expect(box.querySelector("h3")?.textContent).toBe("tiny, pruned to 50.0 % zeros");
  expect([...box.querySelectorAll("tbody tr > *")].map((one) => one.textContent)).toEqual([
    ...["perplexity", "8.6400", "9.7200"],
  ]);
  expect(box.querySelectorAll("li")).toHaveLength(2);
  expect(box.querySelector("li a")?.getAttribute("href")).toBe("https://arxiv.org/abs/2306.11695");
  expect(box.querySelector("strong")?.textContent).toBe("Calibration");
  expect(box.querySelector("pre")?.textContent).toBe("# no heading\nmodel = 1");
  await unmount();
});

it("shows HTML and links of other schemes as text", async () => {
  vi.useFakeTimers();
  const { box, unmount } = await mount(<Markdown text={CARD} label="model card" />);
  expect(box.querySelectorAll("img, script")).toHaveLength(0);
  expect(box.querySelectorAll("a")).toHaveLength(1);
  expect(box.textContent).toContain("<img src=x onerror=alert(1)> [a](javascript:alert(1))");
  expect(box.textContent).not.toContain("library_name");
  await unmount();
  vi.useRealTimers();
});
