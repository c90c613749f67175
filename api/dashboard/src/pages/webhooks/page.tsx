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
import { eventsInWords, stateOf } from "./text.ts";

export function WebhookPage({ id }: { id: string }) {
  return (
    <AdminOnly what="webhooks">
      <ExistingWebhook id={id} />
    </AdminOnly>
  );
}

function ExistingWebhook({ id }: { id: string }) {
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
  const { label, tone, reason } = stateOf(webhook);
  return (
    <>
      <header className="job-header">
        <Title text="Webhook">
          {webhook.description || "Webhook"} <span className={`pill is-${tone}`}>{label}</span>
        </Title>
        <p>
          <span className="mono wrap">{webhook.url}</span>
          <Copy text={webhook.url} label="Copy the address" />
        </p>
        <p className="faint">
          Notified of {eventsInWords(webhook.events)} · created <Ago at={webhook.created_at} />
          {webhook.former_until && <> · old secret valid until {moment(webhook.former_until)}</>}
        </p>
        <Actions webhook={webhook} rotate={() => rotation.mutate()} isBusy={rotation.isPending} />
      </header>
      {reason && (
        <Warning>
          <p>
            {reason}
            {!webhook.enabled &&
              " Waiting messages are sent when it is enabled again; new events are skipped until then."}
          </p>
        </Warning>
      )}
      {rotation.error !== null && <ErrorNote error={rotation.error} />}
      {rotation.data && (
        <Secret
          title="The new secret, shown only once"
          message="For one day, messages are signed with the old secret, too. Copy the new one now: it is never shown again."
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
  const deletion = useWebhookDeletion(webhook.id);
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
        title="Create a new secret?"
        message="For one day, messages are signed with both secrets; after that, only with the new one."
        confirmLabel="Create a new secret"
        cancelLabel="Keep it"
        isBusy={isBusy}
        onConfirm={rotate}
      />
      <Confirm
        label="Delete"
        title="Delete this webhook?"
        message="No more messages are sent, and its deliveries are deleted permanently."
        confirmLabel="Delete the webhook"
        cancelLabel="Keep it"
        isBusy={deletion.isPending}
        onConfirm={() => deletion.mutate(undefined, { onSuccess: () => go("/webhooks") })}
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
      <Empty title="There is no webhook with this id">
        <p>It may have been deleted.</p>
        <Link className="button" href="/webhooks">
          All webhooks
        </Link>
      </Empty>
    </>
  );
}
