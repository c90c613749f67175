import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Trigger, triggers, useTriggerCreation } from "../../api/triggers.ts";
import { AdminOnly } from "../../ui/admin.tsx";
import { ListAside } from "../../ui/csv.tsx";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { TriggerForm } from "./form.tsx";
import { HookAddress, NewSecret } from "./secret.tsx";
import { TEMPLATES } from "./templates.ts";
import { TestPanel } from "./test-panel.tsx";

export function TriggersPage() {
  return (
    <>
      <Title text="Triggers" />
      <AdminOnly what="triggers">
        <p className="lead">
          A trigger lets another system start a job: it calls an address, and values of its message
          fill fields of the job.
        </p>
        <AllTriggers />
        <NewTrigger />
      </AdminOnly>
    </>
  );
}

function NewTrigger() {
  const { mutate, data, error, isPending, reset } = useTriggerCreation();
  const [payload, setPayload] = useState("");
  if (data === undefined) {
    return (
      <Section title="New trigger">
        <TriggerForm
          save={(body, sample) => {
            setPayload(sample);
            mutate(body);
          }}
          isBusy={isPending}
          error={error}
        />
      </Section>
    );
  }
  return (
    <>
      <Section
        title={`${data.name} is created`}
        aside={
          <button type="button" className="small" onClick={reset}>
            Create another
          </button>
        }
      >
        <NewSecret secret={data.secret} source={data.source} />
        <HookAddress trigger={data} />
        <Link href={`/triggers/${data.id}`}>Its page, with the calls that it receives</Link>
      </Section>
      <TestPanel trigger={data} payload={payload} />
    </>
  );
}

function AllTriggers() {
  const { data, error, refetch } = useQuery(triggers);
  if (data?.length === 0) return null;
  return (
    <Section title="All triggers" aside={<ListAside list="triggers" length={data?.length} />}>
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="triggers" lines={2} />}
      <ul className="workers datasets" aria-label="Triggers">
        {data?.map((trigger) => (
          <TriggerRow key={trigger.id} trigger={trigger} />
        ))}
      </ul>
    </Section>
  );
}

function TriggerRow({ trigger }: { trigger: Trigger }) {
  const filled = Object.keys(trigger.map).join(", ");
  return (
    <li>
      <Link className="wrap strong" href={`/triggers/${trigger.id}`}>
        {trigger.name}
      </Link>
      <div>
        {TEMPLATES[trigger.source].label}
        <div className="faint">{filled ? `fills ${filled}` : "fills no field"}</div>
      </div>
      <span className="faint">
        <Ago at={trigger.created_at} />
      </span>
    </li>
  );
}
