import { type FormEvent, type KeyboardEvent, useId, useRef, useState } from "react";
import { fieldProblems } from "../../api/problem.ts";
import type { EventType, Webhook } from "../../api/webhooks.ts";
import { FieldProblem, TextField } from "../../ui/field.tsx";
import { useFocus } from "../../ui/focus.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { toggled } from "../../ui/toggled.ts";
import { ENDINGS, EVENTS, eventInWords } from "./text.ts";

export interface WebhookDraft {
  url: string;
  description: string;
  events: EventType[];
}

interface Props {
  webhook?: Webhook;
  save: (draft: WebhookDraft) => void;
  /** Close without changes; only for an existing webhook. */
  close?: () => void;
  isBusy: boolean;
  error: unknown;
}

/** A form for a new or an existing webhook. */
export function WebhookForm({ webhook, save, close, isBusy, error }: Props) {
  const [draft, setDraft] = useState<WebhookDraft>({
    url: webhook?.url ?? "",
    description: webhook?.description ?? "",
    events: webhook?.events ?? ENDINGS,
  });
  const first = useRef<HTMLInputElement>(null);
  const isEdit = webhook !== undefined;
  useFocus(first);
  const problems = fieldProblems(error);
  const isOnField = ["url", "description", "events"].some((field) => field in problems);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save({ ...draft, url: draft.url.trim(), description: draft.description.trim() });
  };
  const closeOnEscape = (event: KeyboardEvent) => {
    if (event.key === "Escape") close?.();
  };
  return (
    <form className="stack" onSubmit={submit} onKeyDown={closeOnEscape} noValidate>
      <div className="fields address">
        <TextField
          label="Address"
          help="A public https address that responds with 2xx within 10 seconds."
          inputMode="url"
          placeholder="https://ci.example.com/hooks/zpruner"
          ref={isEdit ? first : undefined}
          value={draft.url}
          problem={problems.url}
          change={(url) => setDraft({ ...draft, url })}
        />
        <TextField
          label="Description"
          help="A description for people."
          value={draft.description}
          problem={problems.description}
          change={(description) => setDraft({ ...draft, description })}
        />
      </div>
      <EventChoice
        chosen={draft.events}
        change={(events) => setDraft({ ...draft, events })}
        problem={problems.events}
      />
      {error !== null && !isOnField && <ErrorNote error={error} />}
      <div className="row">
        <button type="submit" className="primary" disabled={isBusy || draft.url.trim() === ""}>
          {webhook ? "Save" : "Create webhook"}
        </button>
        {close && (
          <button type="button" onClick={close}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

interface ChoiceProps {
  chosen: EventType[];
  change: (events: EventType[]) => void;
  problem?: string;
}

function EventChoice({ chosen, change, problem }: ChoiceProps) {
  const id = useId();
  return (
    <fieldset className="stack tight" aria-describedby={problem ? id : undefined}>
      <legend>Notify when a job is</legend>
      <div className="row">
        {EVENTS.map((event) => (
          <label key={event} className="row tight">
            <input
              type="checkbox"
              checked={chosen.includes(event)}
              onChange={() => change(toggled(chosen, event))}
            />
            {eventInWords(event)}
          </label>
        ))}
      </div>
      {problem && <FieldProblem id={id}>{problem}</FieldProblem>}
    </fieldset>
  );
}
