import { textsOf, textsToDraft } from "../../spec/texts.ts";

interface Props {
  id: string;
  label: string;
  text: string;
  placeholder: string;
  isWrong: boolean;
  describedBy?: string;
  change: (text: string) => void;
}

/** A text area for each text of a list; the first has the field's label. */
export function TextsInput({ id, label, text, placeholder, isWrong, describedBy, change }: Props) {
  const texts = textsOf(text);
  const shown = texts.length > 0 ? texts : [""];
  const set = (next: string[]) => change(next.length > 0 ? textsToDraft(next) : "");
  return (
    <div className="stack tight">
      {shown.map((one, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a text has no other identity
        <div key={at} className="row tight text-row">
          <textarea
            id={at === 0 ? id : undefined}
            aria-label={at === 0 ? undefined : `${label} ${at + 1}`}
            aria-invalid={isWrong || undefined}
            aria-describedby={describedBy}
            rows={2}
            spellCheck={false}
            placeholder={at === 0 ? placeholder : ""}
            value={one}
            onChange={({ target }) => set(shown.with(at, target.value))}
          />
          {shown.length > 1 && (
            <button
              type="button"
              className="small"
              aria-label={`Remove ${label} ${at + 1}`}
              onClick={() => set(shown.toSpliced(at, 1))}
            >
              Remove
            </button>
          )}
        </div>
      ))}
      {shown.every((one) => one !== "") && (
        <div>
          <button type="button" className="small" onClick={() => set([...shown, ""])}>
            Add another
          </button>
        </div>
      )}
    </div>
  );
}
