import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { button, field, mount, press, type Shown, type } from "../../testing-page.tsx";
import { type Answer, listing, refusal, service } from "../../testing-service.ts";
import { SecretsPage } from "./page.tsx";

const SECRET = { name: "hf-llama", created_by: null, created_at: "2026-01-05T09:30:00Z" };

let answer: Answer;
let shown: Shown;

beforeEach(async () => {
  vi.useFakeTimers();
  service.reply = ({ pathname }, { method }) => {
    if (method === "PUT") return answer;
    if (pathname === "/v1/me") return [200, { name: "root", scopes: ["admin"], key: null }];
    return listing([SECRET]);
  };
  shown = await mount(<SecretsPage />);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it("lists names, and hides a value while it is typed and once it is stored", async () => {
  expect(shown.box.textContent).toContain("hf-llama");
  const value = () => field(shown.box, "Value");
  for (const [said, then] of [
    [refusal(422), "hf_typed-value"],
    [[201, SECRET] satisfies Answer, ""],
  ] as const) {
    answer = said;
    await type(field(shown.box, "Name"), "hf-llama");
    await type(value(), "hf_typed-value");
    expect(value()).toHaveProperty("type", "password");
    await press(button(shown.box, "Store secret"));
    expect(value()).toHaveProperty("value", then);
    expect(shown.box.textContent).not.toContain("hf_typed-value");
  }
});
