import { useState } from "react";
import { type Trigger, useTriggerTest } from "../../api/triggers.ts";
import { toText } from "../../spec/values.ts";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { written } from "./form.tsx";
import { JsonArea } from "./json-area.tsx";
import { fitting, parsedJson } from "./payload.ts";
import { TEMPLATES } from "./templates.ts";

/** Shows which job a call with a payload would start. */
export function TestPanel({ trigger, payload }: { trigger: Trigger; payload?: string }) {
  const [text, setText] = useState(
    payload ?? written(fitting(TEMPLATES[trigger.source].payload, trigger.filter)),
  );
  const { mutate, data, error, isPending } = useTriggerTest(trigger.id);
  const { value, isValid } = parsedJson(text);
  return (
    <Section title="Test">
      <JsonArea
        label="Payload to test"
        help="Nothing is started or stored; the calls below are those of the source alone."
        text={text}
        isValid={isValid}
        change={setText}
      />
      <div>
        <button
          type="button"
          className="primary"
          disabled={!isValid || isPending}
          onClick={() => mutate(value)}
        >
          <Icon name="play" />
          Test
        </button>
      </div>
      {error !== null && <ErrorNote error={error} />}
      <div role="status">{data && <Result result={data} />}</div>
    </Section>
  );
}

type Result = NonNullable<ReturnType<typeof useTriggerTest>["data"]>;

function Result({ result: { job, reason } }: { result: Result }) {
  if (!job) return <p>The call would be ignored: {reason}.</p>;
  const { model, revision, sparsity, dataset, method, preset } = job.spec;
  const shown = { model, revision, sparsity, dataset, method, preset };
  return (
    <>
      <p>
        <strong>The call would start a job.</strong>
      </p>
      <Facts>
        {Object.entries({ ...shown, name: job.name, labels: job.labels, queue: job.queue })
          .map(([name, value]) => [name, toText(value)] as const)
          .filter(([, text]) => text !== "")
          .map(([name, text]) => (
            <Fact key={name} name={name}>
              {text}
            </Fact>
          ))}
      </Facts>
      {job.warnings.map((one) => (
        <p className="faint" key={one}>
          {one}
        </p>
      ))}
    </>
  );
}
