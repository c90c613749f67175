import { useEffect, useId, useRef } from "react";
import { Icon, type IconName } from "./icon.tsx";

interface Props {
  label: string;
  /** What the button is called where its label alone does not tell. */
  name?: string;
  icon?: IconName;
  title: string;
  words: string;
  yes: string;
  no: string;
  isBusy?: boolean;
  done: () => void;
}

/** A button that asks once more, for what cannot be taken back. */
export function Confirm({ label, name, icon, title, words, yes, no, isBusy, done }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    return () => shown?.close(); // on a hidden page it would hold the focus
  }, []);
  const sure = () => {
    dialog.current?.close();
    done();
  };
  return (
    <>
      <button
        type="button"
        disabled={isBusy}
        aria-label={name}
        onClick={() => dialog.current?.showModal()}
      >
        {icon && <Icon name={icon} />}
        {label}
      </button>
      <dialog ref={dialog} aria-labelledby={id}>
        <h2 id={id}>{title}</h2>
        <p>{words}</p>
        <div className="row">
          <button type="button" className="danger" onClick={sure}>
            {yes}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {no}
          </button>
        </div>
      </dialog>
    </>
  );
}
