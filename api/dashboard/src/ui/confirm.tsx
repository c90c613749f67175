import { type ReactNode, useEffect, useId, useRef } from "react";
import { Icon, type IconName } from "./icon.tsx";

interface Props {
  label: string;
  /** The accessible name, if the label alone is ambiguous. */
  name?: string;
  icon?: IconName;
  title: string;
  message: string;
  confirmLabel: string;
  cancelLabel: string;
  isBusy?: boolean;
  onConfirm: () => void;
  /** What is shown below the message. */
  children?: ReactNode;
}

/** A button that asks for confirmation of an irreversible action. */
export function Confirm({
  label,
  name,
  icon,
  title,
  message,
  confirmLabel,
  cancelLabel,
  isBusy,
  onConfirm,
  children,
}: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const keep = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    return () => shown?.close(); // on a hidden page it would keep the focus
  }, []);
  const confirm = () => {
    dialog.current?.close();
    onConfirm();
  };
  return (
    <>
      <button
        type="button"
        disabled={isBusy}
        aria-label={name}
        onClick={() => {
          dialog.current?.showModal();
          keep.current?.focus(); // else Enter would do what cannot be undone
        }}
      >
        {icon && <Icon name={icon} />}
        {label}
      </button>
      <dialog ref={dialog} aria-labelledby={id}>
        <h2 id={id}>{title}</h2>
        <p>{message}</p>
        {children}
        <div className="row">
          <button type="button" className="danger" onClick={confirm}>
            {confirmLabel}
          </button>
          <button type="button" ref={keep} onClick={() => dialog.current?.close()}>
            {cancelLabel}
          </button>
        </div>
      </dialog>
    </>
  );
}
