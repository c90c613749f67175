import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { Bulk } from "../../api/bulk.ts";
import type { Job } from "../../api/client.ts";
import { TextField } from "../../ui/field.tsx";

interface Props {
  jobs: Job[];
  isBusy: boolean;
  run: (action: Bulk) => void;
  /** What is shown above the fields. */
  children: ReactNode;
}

/** Sets or removes one label of all selected jobs. */
export function LabelForm({ jobs, isBusy, run, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    return () => shown?.close(); // on a hidden page it would keep the focus
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    dialog.current?.close();
    run({ kind: "label", name: name.trim(), value: value.trim() || null });
  };
  return (
    <>
      <button type="button" disabled={isBusy} onClick={() => dialog.current?.showModal()}>
        Label {jobs.length}
      </button>
      <dialog ref={dialog} aria-labelledby={id}>
        <h2 id={id}>{jobs.length === 1 ? "Label this job" : `Label ${jobs.length} jobs`}</h2>
        {children}
        <form className="stack" onSubmit={submit}>
          <TextField label="Label" required maxLength={63} value={name} change={setName} />
          <TextField
            label="Value"
            help="Leave it empty to remove the label."
            maxLength={200}
            value={value}
            change={setValue}
          />
          <div className="row">
            <button type="submit" className="primary">
              {value.trim() ? "Set the label" : "Remove the label"}
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
