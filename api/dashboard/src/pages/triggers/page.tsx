import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { ProblemError } from "../../api/problem.ts";
import {
  type Trigger,
  triggerById,
  useTriggerChange,
  useTriggerDeletion,
  useTriggerRotation,
} from "../../api/triggers.ts";
import { moment } from "../../format.ts";
import { AdminOnly } from "../../ui/admin.tsx";
import { Code } from "../../ui/code.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { useOpener } from "../../ui/opener.ts";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Calls } from "./calls.tsx";
import { TriggerForm, written } from "./form.tsx";
import { HookAddress, NewSecret } from "./secret.tsx";
import { TEMPLATES } from "./templates.ts";
import { TestPanel } from "./test-panel.tsx";

export function TriggerPage({ id }: { id: string }) {
  return (
    <AdminOnly what="triggers">
      <ExistingTrigger id={id} />
    </AdminOnly>
  );
}

function ExistingTrigger({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(triggerById(id));
  if (data) return <TriggerView trigger={data} />;
  const isMissing = error instanceof ProblemError && error.status === 404;
  return (
    <>
      <Title text={isMissing ? "No such trigger" : "Trigger"} />
      {error === null && <Loading what="the trigger" />}
      {error !== null && !isMissing && <ErrorNote error={error} retry={refetch} />}
      {isMissing && (
        <Empty title="There is no trigger with this id">
          <p>It may have been deleted.</p>
          <Link className="button" href="/triggers">
            All triggers
          </Link>
        </Empty>
      )}
    </>
  );
}

function TriggerView({ trigger }: { trigger: Trigger }) {
  const rotation = useTriggerRotation(trigger.id);
  const [isEdited, edit] = useState(false);
  const opener = useOpener(isEdited);
  const { id, job, filter, map } = trigger;
  return (
    <>
      <header className="job-header">
        <Title text={trigger.name} />
        <p className="faint">
          Source: {TEMPLATES[trigger.source].label} · created <Ago at={trigger.created_at} />
          {trigger.former_until && <> · old secret valid until {moment(trigger.former_until)}</>}
        </p>
        <HookAddress trigger={trigger} />
        <div className="actions">
          <button type="button" ref={opener} hidden={isEdited} onClick={() => edit(true)}>
            <Icon name="edit" />
            Edit
          </button>
          <Rotate rotate={() => rotation.mutate()} isBusy={rotation.isPending} />
          <Delete id={id} />
        </div>
      </header>
      {rotation.error !== null && <ErrorNote error={rotation.error} />}
      {rotation.data && <NewSecret secret={rotation.data.secret} source={trigger.source} />}
      {isEdited ? (
        <Edit trigger={trigger} close={() => edit(false)} />
      ) : (
        <Section title="From a message to a job">
          <Code text={written({ job, filter, map })} label="rules of the trigger" />
        </Section>
      )}
      <TestPanel trigger={trigger} />
      <Calls trigger={trigger} />
    </>
  );
}

function Edit({ trigger, close }: { trigger: Trigger; close: () => void }) {
  const { mutate, error, isPending } = useTriggerChange(trigger.id, close);
  return (
    <Section title="Edit">
      <TriggerForm trigger={trigger} save={(body) => mutate(body)} isBusy={isPending} error={error}>
        <button type="button" onClick={close}>
          Cancel
        </button>
      </TriggerForm>
    </Section>
  );
}

function Rotate({ rotate, isBusy }: { rotate: () => void; isBusy: boolean }) {
  return (
    <Confirm
      label="New secret"
      icon="retry"
      title="Create a new secret?"
      message="For one day, calls with the old secret are accepted, too; after that, only those with the new one."
      confirmLabel="Create a new secret"
      cancelLabel="Keep it"
      isBusy={isBusy}
      onConfirm={rotate}
    />
  );
}

function Delete({ id }: { id: string }) {
  const [, go] = useLocation();
  const { mutate, error, isPending } = useTriggerDeletion(id);
  return (
    <>
      <Confirm
        label="Delete"
        title="Delete this trigger?"
        message="Its address starts no more jobs, and its calls are deleted permanently. The jobs that it started stay."
        confirmLabel="Delete the trigger"
        cancelLabel="Keep it"
        isBusy={isPending}
        onConfirm={() => mutate(undefined, { onSuccess: () => go("/triggers") })}
      />
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
