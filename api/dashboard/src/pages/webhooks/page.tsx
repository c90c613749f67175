import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { ProblemError } from "../../api/problem.ts";
import {
  useWebhookChange,
  useWebhookDeletion,
  useWebhookRotation,
  useWebhookTest,
  type Webhook,
  webhookById,
} from "../../api/webhooks.ts";
import { moment } from "../../format.ts";
import { AdminOnly } from "../../ui/admin.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Copy } from "../../ui/copy.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading, Warning } from "../../ui/notes.tsx";
import { useOpener } from "../../ui/opener.ts";
import { Secret } from "../../ui/secret.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Deliveries } from "./deliveries.tsx";
import { WebhookForm } from "./form.tsx";
import { eventsInWords, stateOf } from "./words.ts";

export function WebhookPage({ id }: { id: string }) {
  return (
    <AdminOnly what="webhooks">
      <Known id={id} />
    </AdminOnly>
  );
}

function Known({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(webhookById(id));
  if (error instanceof ProblemError && error.status === 404) return <NoSuchWebhook />;
  if (data) {
    return (
      <>
        {error !== null && <ErrorNote error={error} retry={refetch} />}
        <WebhookView webhook={data} />
      </>
    );
  }
  return (
    <>
      <Title text="Webhook" />
      {error === null ? (
        <Loading what="the webhook" />
      ) : (
        <ErrorNote error={error} retry={refetch} />
      )}
    </>
  );
}

function WebhookView({ webhook }: { webhook: Webhook }) {
  const rotation = useWebhookRotation(webhook.id);
  const { word, tone, why } = stateOf(webhook);
  return (
    <>
      <header className="job-header">
        <Title text="Webhook">
          {webhook.description || "Webhook"} <span className={`pill is-${tone}`}>{word}</span>
        </Title>
        <p>
          <span className="mono wrap">{webhook.url}</span>
          <Copy text={webhook.url} label="Copy the address" />
        </p>
        <p className="faint">
          Told of {eventsInWords(webhook.events)} · made <Ago at={webhook.created_at} />
          {webhook.former_until && <> · signed twice until {moment(webhook.former_until)}</>}
        </p>
        <Actions webhook={webhook} rotate={() => rotation.mutate()} isBusy={rotation.isPending} />
      </header>
      {why && (
        <Warning>
          <p>{why} What waits is sent once it is enabled; what happens meanwhile is never told.</p>
        </Warning>
      )}
      {rotation.error !== null && <ErrorNote error={rotation.error} />}
      {rotation.data && (
        <Secret
          title="Its new secret, shown this once"
          words="For a day messages are signed with the former one, too, so that you can change over. Copy it now: nothing shows it again."
          text={rotation.data.secret}
          label="secret"
        />
      )}
      <Deliveries webhook={webhook} />
    </>
  );
}

interface ActionsProps {
  webhook: Webhook;
  rotate: () => void;
  isBusy: boolean;
}

function Actions({ webhook, rotate, isBusy }: ActionsProps) {
  const [, go] = useLocation();
  const [isEdited, edit] = useState(false);
  const opener = useOpener(isEdited);
  const test = useWebhookTest(webhook.id);
  const change = useWebhookChange(webhook.id);
  const deletion = useWebhookDeletion(webhook.id, () => go("/webhooks"));
  if (isEdited) return <EditForm webhook={webhook} close={() => edit(false)} />;
  const failed = test.error ?? change.error ?? deletion.error;
  return (
    <div className="actions">
      <button
        type="button"
        className="primary"
        disabled={test.isPending || !webhook.enabled}
        onClick={() => test.mutate()}
      >
        Send a test
      </button>
      <button type="button" ref={opener} onClick={() => edit(true)}>
        <Icon name="edit" />
        Edit
      </button>
      <button
        type="button"
        disabled={change.isPending}
        onClick={() => change.mutate({ enabled: !webhook.enabled })}
      >
        <Icon name={webhook.enabled ? "pause" : "play"} />
        {webhook.enabled ? "Disable" : "Enable"}
      </button>
      <Confirm
        label="New secret"
        icon="retry"
        title="Give it a new secret?"
        words="For a day messages are signed with the present one, too; after that only the new one holds."
        yes="Make a new secret"
        no="Keep it"
        isBusy={isBusy}
        done={rotate}
      />
      <Confirm
        label="Delete"
        title="Delete this webhook?"
        words="Nothing is sent there any more, and what was sent is forgotten, for good."
        yes="Delete the webhook"
        no="Keep it"
        isBusy={deletion.isPending}
        done={() => deletion.mutate()}
      />
      {failed !== null && <ErrorNote error={failed} />}
    </div>
  );
}

function EditForm({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const { mutate, error, isPending } = useWebhookChange(webhook.id, close);
  return (
    <Section title="Edit">
      <WebhookForm webhook={webhook} save={mutate} close={close} isBusy={isPending} error={error} />
    </Section>
  );
}

function NoSuchWebhook() {
  return (
    <>
      <Title text="No such webhook" />
      <Empty title="There is no webhook of this id">
        <p>It may have been deleted.</p>
        <Link className="button" href="/webhooks">
          All webhooks
        </Link>
      </Empty>
    </>
  );
}
