import { useState } from "react";
import { store } from "../storage.ts";
import { Icon, type IconName } from "./icon.tsx";

const STORAGE_KEY = "zpruner.theme";
type Theme = "system" | "light" | "dark";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS: Record<Theme, IconName> = { system: "system", light: "sun", dark: "moon" };

function current(): Theme {
  const { theme } = document.documentElement.dataset;
  return theme === "light" || theme === "dark" ? theme : "system";
}

function choose(theme: Theme): void {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
  store(STORAGE_KEY, theme === "system" ? null : theme);
}

/** A button that cycles through system, light and dark. */
export function ThemeSwitch() {
  const [theme, show] = useState(current);
  const next = () => {
    choose(NEXT[theme]);
    show(NEXT[theme]);
  };
  const label = `Theme: ${theme}. Change to ${NEXT[theme]}`;
  return (
    <button type="button" className="quiet" onClick={next} aria-label={label} title={label}>
      <Icon name={ICONS[theme]} />
    </button>
  );
}
