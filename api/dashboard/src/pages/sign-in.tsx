import { type FormEvent, useId, useState } from "react";
import { keepKey, storedKey } from "../api/key.ts";
import { Title } from "../ui/title.tsx";

/** The service wants a key, or does not take the one this browser has. */
export function SignInPage() {
  const id = useId();
  const [text, setText] = useState("");
  const isRefused = storedKey() !== null;
  const enter = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) keepKey(text.trim());
  };
  return (
    <>
      <Title text="Sign in" />
      <form className="card sign-in" onSubmit={enter}>
        <p>
          This service asks for an API key. Whoever runs it makes one with{" "}
          <code className="mono">zpruner keys create</code>.
        </p>
        <div className="field">
          <label htmlFor={id}>API key</label>
          <input
            id={id}
            type="password"
            autoComplete="current-password"
            value={text}
            aria-invalid={isRefused || undefined}
            aria-describedby={isRefused ? `${id}-problem` : undefined}
            onChange={(event) => setText(event.target.value)}
          />
          {isRefused && (
            <p id={`${id}-problem`} className="problem">
              The service does not take the key that this browser has kept. It may have been
              revoked.
            </p>
          )}
        </div>
        <button type="submit" className="primary" disabled={text.trim() === ""}>
          Sign in
        </button>
        <p className="faint">The key stays in this browser until you sign out.</p>
      </form>
    </>
  );
}
