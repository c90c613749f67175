import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { button, field, mount, press, type Shown, type } from "../../testing-page.tsx";
import { type Answer, listing, refusal, service } from "../../testing-service.ts";
import { WebhooksPage } from "../webhooks/list.tsx";
import { KeysPage } from "./page.tsx";

const KEY = { id: "key_1", name: "ci", scopes: [], quotas: {}, created_at: "2026-01-05T09:30:00Z" };
const HOOK = { id: "wh_1", url: "https://a.example", events: [], enabled: true };

let answer: Answer;
let shown: Shown;

beforeEach(() => {
  vi.useFakeTimers();
  service.reply = ({ pathname }, { method }) => {
    if (method === "POST") return answer;
    if (pathname === "/v1/me") return [200, { name: "root", scopes: ["admin"], key: null }];
    return listing([]);
  };
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it.each([
  { page: <KeysPage />, label: "Name", made: { ...KEY, key: "zpr_1" } },
  { page: <WebhooksPage />, label: "Address", made: { ...HOOK, secret: "whsec_1" } },
])("is empty once what $label names is made, and keeps what is refused", async (one) => {
  shown = await mount(one.page);
  const input = () => field(shown.box, one.label);
  for (const [said, then] of [
    [[201, one.made] satisfies Answer, ""],
    [refusal(422), "typed"],
  ] as const) {
    answer = said;
    await type(input(), "typed");
    await press(button(shown.box, "Create "));
    expect(input()).toHaveProperty("value", then);
  }
});
