import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, queries } from "./app.tsx";
import { goLive } from "./live/index.ts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/jobs.css";
import "./styles/job.css";
import "./styles/forms.css";
import "./styles/compare.css";
import "./styles/rows.css";
import "./styles/charts.css";
import "./styles/sweeps.css";
import "./styles/print.css";
import { keepFocus } from "./ui/kept-focus.ts";
import { printInLight } from "./ui/print.ts";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
goLive(queries);
printInLight();
keepFocus();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
