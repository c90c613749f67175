/** Gives each file of tests modules without state and a true clock, although files share both. */

import { vi } from "vitest";

vi.useRealTimers();
vi.unstubAllGlobals();
vi.resetModules();
