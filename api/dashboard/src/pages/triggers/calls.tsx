import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { callsOf, type Trigger, type TriggerDelivery } from "../../api/triggers.ts";
import { shortId } from "../../format.ts";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Older } from "../../ui/older.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";

const TONES: Record<string, string> = {
  submitted: "succeeded",
  ignored: "cancelled",
  refused: "failed",
};

/** The calls that a trigger received, newest first. */
export function Calls({ trigger }: { trigger: Trigger }) {
  const list = useInfiniteQuery(callsOf(trigger.id));
  const calls = list.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <Section title="Calls of the last 30 days">
      {list.error !== null && <ErrorNote error={list.error} retry={() => list.refetch()} />}
      {list.isPending && <Loading what="calls" lines={3} />}
      {list.isSuccess && calls.length === 0 && (
        <Empty title="No calls yet">
          <p>Calls that do not authenticate are not listed; they leave a line in the log.</p>
        </Empty>
      )}
      <ul className="workers datasets" aria-label="Calls, newest first">
        {calls.map((call) => (
          <Call key={call.id} call={call} />
        ))}
      </ul>
      <Older list={list} />
    </Section>
  );
}

function Call({ call }: { call: TriggerDelivery }) {
  const problem = call.problem as { title?: string; detail?: string } | null;
  return (
    <li>
      <div>
        <span className={`pill is-${TONES[call.outcome]}`}>{call.outcome}</span>{" "}
        <Ago at={call.created_at} />
        <div className="faint wrap mono">{call.delivery_id}</div>
      </div>
      <div className="wrap">
        {call.job_id && <Link href={`/jobs/${call.job_id}`}>Job {shortId(call.job_id)}</Link>}
        {call.reason}
        {problem && `${problem.title ?? "Refused"}: ${problem.detail ?? ""}`}
      </div>
      <span />
    </li>
  );
}
