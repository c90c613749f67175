import { NONE } from "../format.ts";

export function Verdict({ verdict }: { verdict: string }) {
  if (verdict === "pass") return <span className="pill is-succeeded">gate passed</span>;
  if (verdict === "fail") return <span className="pill is-failed">gate failed</span>;
  return <span className="faint">{NONE}</span>;
}
