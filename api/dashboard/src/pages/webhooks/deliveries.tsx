import { useInfiniteQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { Link } from "wouter";
import {
  type DeliveryStatus,
  deliveriesOf,
  type Delivery as Sent,
  type Webhook,
} from "../../api/webhooks.ts";
import { shortId } from "../../format.ts";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { useNow } from "../../ui/now.ts";
import { Older } from "../../ui/older.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { DeliveryDetails } from "./delivery.tsx";
import { deliveryState, nextInWords, responseInWords } from "./text.ts";

const CHOICES: { status: DeliveryStatus | undefined; label: string }[] = [
  { status: undefined, label: "All" },
  { status: "pending", label: "Pending" },
  { status: "delivered", label: "Delivered" },
  { status: "failed", label: "Failed" },
];

/** A webhook's deliveries, newest first. */
export function Deliveries({ webhook }: { webhook: Webhook }) {
  const [status, choose] = useState<DeliveryStatus | undefined>();
  const list = useInfiniteQuery({
    ...deliveriesOf(webhook.id, status),
    placeholderData: (old) => old,
  });
  const deliveries = list.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <Section
      title="Deliveries of the last 30 days"
      aside={<Choice chosen={status} choose={choose} />}
    >
      {list.error !== null && <ErrorNote error={list.error} retry={() => list.refetch()} />}
      {list.isPending && <Loading what="deliveries" lines={3} />}
      {list.isSuccess && deliveries.length === 0 && (
        <Empty title={status ? `No ${status} deliveries` : "No deliveries yet"}>
          {!status && <p>Send a test message to check the address.</p>}
        </Empty>
      )}
      {deliveries.length > 0 && (
        <ul className="workers deliveries" aria-label="Deliveries, newest first">
          {deliveries.map((delivery) => (
            <Delivery key={delivery.id} delivery={delivery} webhook={webhook} />
          ))}
        </ul>
      )}
      <Older list={list} />
    </Section>
  );
}

interface ChoiceProps {
  chosen: DeliveryStatus | undefined;
  choose: (status: DeliveryStatus | undefined) => void;
}

function Choice({ chosen, choose }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset className="segmented">
      <legend className="unseen">Status</legend>
      {CHOICES.map(({ status, label }) => (
        <label key={label}>
          <input
            type="radio"
            name={name}
            checked={chosen === status}
            onChange={() => choose(status)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Delivery({ delivery, webhook }: { delivery: Sent; webhook: Webhook }) {
  const [isOpen, open] = useState(false);
  const id = useId();
  const state = deliveryState(delivery);
  const next = nextInWords(delivery, webhook.enabled, useNow());
  return (
    <li>
      <div>
        <span className={`pill is-${state.tone}`}>{state.label}</span>
      </div>
      <div>
        {delivery.type}
        {delivery.job_id && (
          <>
            {" "}
            of <Link href={`/jobs/${delivery.job_id}`}>job {shortId(delivery.job_id)}</Link>
          </>
        )}
        <div className="faint">
          <Ago at={delivery.created_at} />
        </div>
      </div>
      <div>
        <span className="wrap">{responseInWords(delivery.last)}</span>
        <div className="faint">
          {[attemptsInWords(delivery.attempts), next].filter(Boolean).join(" · ")}
        </div>
      </div>
      <button
        type="button"
        className="small"
        aria-expanded={isOpen}
        aria-controls={id}
        aria-label={`${isOpen ? "Hide" : "Show"} ${delivery.type} ${shortId(delivery.id)}`}
        onClick={() => open(!isOpen)}
      >
        {isOpen ? "Hide" : "Show"}
      </button>
      <div id={id} className="details" hidden={!isOpen}>
        {isOpen && <DeliveryDetails delivery={delivery} />}
      </div>
    </li>
  );
}

function attemptsInWords(attempts: number): string {
  if (attempts === 0) return "";
  return attempts === 1 ? "1 attempt" : `${attempts} attempts`;
}
