import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { latestDelivery, useWebhookCreation, type Webhook, webhooks } from "../../api/webhooks.ts";
import { AdminOnly } from "../../ui/admin.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Secret } from "../../ui/secret.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { WebhookForm } from "./form.tsx";
import { answerInWords, eventsInWords, stateOf, TONES } from "./words.ts";

export function WebhooksPage() {
  return (
    <>
      <Title text="Webhooks" />
      <AdminOnly what="webhooks">
        <p className="lead">
          An address of yours is told when something becomes of a job: a signed message, sent again
          for three days until the address takes it.
        </p>
        <NewWebhook />
        <AllWebhooks />
      </AdminOnly>
    </>
  );
}

function NewWebhook() {
  const { mutate, data, error, isPending } = useWebhookCreation();
  const [made, setMade] = useState(0);
  return (
    <Section title="New webhook">
      {/* Made anew for the next one. */}
      <WebhookForm
        key={made}
        save={(body) => mutate(body, { onSuccess: () => setMade(made + 1) })}
        isBusy={isPending}
        error={error}
      />
      {data && (
        <Secret
          title="Its secret, shown this once"
          words="Whoever answers at the address checks with it that a message is from here. Copy it now: nothing shows it again."
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
    <Section
      title="All webhooks"
      aside={data && <span className="faint figure">{data.length}</span>}
    >
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="webhooks" lines={2} />}
      {data?.length === 0 && (
        <Empty title="There is none yet">
          <p>Nobody is told; jobs are to be looked at here, or through the API.</p>
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
  const { word, tone, why } = stateOf(webhook);
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
      <span className={`pill is-${tone}`} title={why}>
        {word}
      </span>
    </li>
  );
}

function Latest({ id }: { id: string }) {
  const { data } = useQuery(latestDelivery(id));
  if (data === undefined) return <div />;
  if (data === null) return <div className="faint">nothing was sent yet</div>;
  return (
    <div>
      <span className={`pill is-${TONES[data.status]}`}>{data.status}</span> {data.type}
      <div className="faint">
        {data.last ? answerInWords(data.last) : "not sent yet"} ·{" "}
        <Ago at={data.last?.at ?? data.created_at} />
      </div>
    </div>
  );
}
