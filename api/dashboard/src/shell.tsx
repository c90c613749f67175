import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useMay } from "./api/keys.ts";
import { LiveBadge, OfflineBanner } from "./ui/badge.tsx";
import { Boundary } from "./ui/boundary.tsx";
import { HealthMark } from "./ui/health.tsx";
import { Icon } from "./ui/icon.tsx";
import { Shortcuts } from "./ui/shortcuts.tsx";
import { ThemeSwitch } from "./ui/theme.tsx";

const PAGES = [
  { href: "/", name: "Jobs", within: /^\/$|^\/jobs/ },
  { href: "/sweeps", name: "Sweeps", within: /^\/sweeps/ },
  { href: "/compare", name: "Compare", within: /^\/compare/ },
  { href: "/workers", name: "Workers", within: /^\/workers/ },
  { href: "/week", name: "Week", within: /^\/week/ },
  { href: "/datasets", name: "Datasets", within: /^\/datasets/ },
  { href: "/triggers", name: "Triggers", within: /^\/triggers/ },
  { href: "/webhooks", name: "Webhooks", within: /^\/webhooks/ },
  { href: "/keys", name: "Keys", within: /^\/(keys|secrets|audit)/ },
];

const MARKED = new Set(["/workers", "/webhooks"]);

export function Shell({ children }: { children: ReactNode }) {
  const [location] = useLocation();
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          Z-Pruner
        </Link>
        <nav aria-label="Pages">
          {PAGES.map(({ href, name, within }) => (
            <Link key={href} href={href} aria-current={within.test(location) ? "page" : undefined}>
              {name}
              {MARKED.has(href) && <HealthMark page={href} />}
            </Link>
          ))}
          <a href="/docs">API</a>
        </nav>
        <div className="top-end">
          <LiveBadge />
          <ThemeSwitch />
          {useMay("jobs:write") !== false && (
            <Link className="button primary" href="/new">
              <Icon name="plus" />
              New job
            </Link>
          )}
        </div>
      </header>
      <OfflineBanner />
      <main id="content" tabIndex={-1}>
        <Boundary place={location}>{children}</Boundary>
      </main>
      <Shortcuts />
    </>
  );
}
