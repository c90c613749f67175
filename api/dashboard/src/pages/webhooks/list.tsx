import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { latestDelivery, useWebhookCreation, type Webhook, webhooks } from "../../api/webhooks.ts";
import { AdminOnly } from "../../ui/admin.tsx";
import { ListAside } from "../../ui/csv.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Secret } from "../../ui/secret.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { WebhookForm } from "./form.tsx";
import { deliveryState, eventsInWords, responseInWords, stateOf } from "./text.ts";

export function WebhooksPage() {
  return (
    <>
      <Title text="Webhooks" />
      <AdminOnly what="webhooks">
        <p className="lead">
          A webhook notifies your server of changes of jobs: it sends a signed message, and retries
          for three days until the server accepts it.
        </p>
        <NewWebhook />
        <AllWebhooks />
      </AdminOnly>
    </>
  );
}

function NewWebhook() {
  const { mutate, data, error, isPending } = useWebhookCreation();
  const [formNumber, setFormNumber] = useState(0);
  return (
    <Section title="New webhook">
      {/* A new form after each webhook. */}
      <WebhookForm
        key={formNumber}
        save={(body) => mutate(body, { onSuccess: () => setFormNumber(formNumber + 1) })}
        isBusy={isPending}
        error={error}
      />
      {data && (
        <Secret
          title="The secret, shown only once"
          message="Your server verifies the messages with this secret. Copy it now: it is never shown again."
          text={data.secret}
          label="secret"
        />
      )}
    </Section>
  );
}

function AllWebhooks() {
  const { data, error, refetch } = useQuery(webhooks);
  return (
    <Section title="All webhooks" aside={<ListAside list="webhooks" length={data?.length} />}>
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="webhooks" lines={2} />}
      {data?.length === 0 && (
        <Empty title="No webhooks yet">
          <p>Create one to be notified of changes of jobs.</p>
        </Empty>
      )}
      {data && data.length > 0 && (
        <ul className="workers" aria-label="Webhooks">
          {data.map((webhook) => (
            <WebhookRow key={webhook.id} webhook={webhook} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function WebhookRow({ webhook }: { webhook: Webhook }) {
  const { label, tone, reason } = stateOf(webhook);
  return (
    <li>
      <div>
        <Link className="wrap strong" href={`/webhooks/${webhook.id}`}>
          {webhook.url}
        </Link>
        <div className="faint wrap">{webhook.description}</div>
      </div>
      <div>{eventsInWords(webhook.events)}</div>
      <Latest id={webhook.id} />
      <span className={`pill is-${tone}`} title={reason}>
        {label}
      </span>
    </li>
  );
}

function Latest({ id }: { id: string }) {
  const { data } = useQuery(latestDelivery(id));
  if (data === undefined) return <div />;
  if (data === null) return <div className="faint">no deliveries yet</div>;
  const state = deliveryState(data);
  return (
    <div>
      <span className={`pill is-${state.tone}`}>{state.label}</span> {data.type}
      <div className="faint">
        {data.last ? responseInWords(data.last) : "not sent yet"} ·{" "}
        <Ago at={data.last?.at ?? data.created_at} />
      </div>
    </div>
  );
}
