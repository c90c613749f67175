import { afterEach, beforeEach, expect, it } from "vitest";
import { keepFocus } from "./kept-focus.ts";

const PAGE = `
  <main><h1 tabindex="-1">Job</h1>
    <div class="actions"><button id="pause">Pause</button><button id="cancel">Cancel</button></div>
    <section tabindex="0" id="table"><table><tbody>
      <tr><td><button id="first">First</button></td></tr>
      <tr><td><input id="tick" type="checkbox" /><button id="retry">Retry</button></td></tr>
    </tbody></table></section>
  </main>`;

const one = (id: string) => document.getElementById(id) as HTMLButtonElement;
const focused = () => document.activeElement?.id || document.activeElement?.tagName;
let stop: () => void;

beforeEach(() => {
  document.body.innerHTML = PAGE;
  stop = keepFocus();
});
afterEach(() => stop());

it("moves the focus from a removed control to the nearest one that is left", async () => {
  one("pause").focus();
  one("pause").remove();
  await expect.poll(focused).toBe("cancel");
  one("cancel").parentElement?.remove();
  await expect.poll(focused).toBe("H1");
});

it("stays in the row of an action, and in a table whose row is scrolled away", async () => {
  one("retry").focus();
  one("retry").remove();
  await expect.poll(focused).toBe("tick");
  one("tick").closest("tr")?.remove();
  await expect.poll(focused).toBe("table");
});

it("returns the focus to a control that was disabled for a while", async () => {
  one("cancel").focus();
  one("cancel").disabled = true;
  one("cancel").blur();
  one("cancel").disabled = false;
  await expect.poll(focused).toBe("cancel");
});

it("leaves the focus alone after a click beside the controls", async () => {
  one("pause").focus();
  document.querySelector("h1")?.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  one("pause").blur();
  one("pause").remove();
  await new Promise((done) => setTimeout(done, 20));
  expect(focused()).toBe("BODY");
});
