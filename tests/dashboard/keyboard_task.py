"""Tasks done by keyboard alone; each counts the clicks that it would take."""

from typing import Final

from playwright.sync_api import Locator, Page

MOST_TABS = 300
KEYS: Final = {"checkbox": "Space", "radio": "Space"}
IS_GONE = "one => !one.isConnected"
HAS_FOCUS = "one => one === document.activeElement"
IS_CHECKED = "one => one.checked"
KIND = "one => one.type ?? one.localName"
TAB_STOP = """one => {
    const group = [...document.querySelectorAll('input[type=radio]')];
    const same = group.filter((it) => it.name === one.name && it.form === one.form);
    return (same.find((it) => it.checked) ?? same[0]) === document.activeElement;
}"""
"""Of a group of radio buttons, Tab stops only at the one that is chosen."""
CHOSEN = "one => one.selectedOptions[0].label"
AFTER_EFFECTS = """new Promise((done) =>
    requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done))))"""
FORGET_MS = 1100
"""After this long, the browser no longer adds a letter to those typed before it."""


class KeyboardTask:
    """A task on a page, done by keyboard alone.

    Attributes:
        clicks: how many clicks the controls would take; typing takes none, because Tab moves from
            one field to the next.
    """

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def press(self, target: Locator) -> None:
        """Reach a control by Tab and press it: one click."""
        kind = target.evaluate(KIND)
        self._reach(target, TAB_STOP if kind == "radio" else HAS_FOCUS)
        if kind == "radio" and not target.evaluate(HAS_FOCUS):
            self._move_to(target)
        else:
            self.page.keyboard.press(KEYS.get(kind, "Enter"))
        self.clicks += 1

    def type(self, target: Locator, text: str) -> None:
        """Reach a field by Tab and replace its text."""
        self._reach(target, HAS_FOCUS)
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.type(text)

    def choose(self, menu: Locator, option: str) -> None:
        """Reach a menu by Tab and choose an option by its first letters: two clicks."""
        self._reach(menu, HAS_FOCUS)
        self.page.keyboard.type(option)
        while not menu.evaluate(CHOSEN).startswith(option):  # a pause between two letters
            self.page.wait_for_timeout(FORGET_MS)
            self.page.keyboard.type(option)
        self.clicks += 2

    def _reach(self, target: Locator, is_there: str) -> None:
        """Press Tab until the focus is there.

        The page is searched for the control once, and again if it has been drawn anew.
        """
        control = target.element_handle()
        for _ in range(MOST_TABS):
            if control.evaluate(IS_GONE):
                control = target.element_handle()
            if control.evaluate(is_there):
                self.page.evaluate(AFTER_EFFECTS)  # a new page moves the focus to its heading
                if control.evaluate(is_there):
                    return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {target}")

    def _move_to(self, radio: Locator) -> None:
        """Move within the group to one of its radio buttons."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("ArrowDown")
            if radio.evaluate(IS_CHECKED):
                return
        raise AssertionError(f"the arrow keys do not reach {radio}")
