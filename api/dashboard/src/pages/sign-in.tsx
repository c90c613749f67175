import { type FormEvent, useId, useState } from "react";
import { storedKey, storeKey } from "../api/key.ts";
import { Title } from "../ui/title.tsx";

/** Asks for an API key when the service requires one or has refused the stored one. */
export function SignInPage() {
  const id = useId();
  const [text, setText] = useState("");
  const isRefused = storedKey() !== null;
  const signIn = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) storeKey(text.trim());
  };
  return (
    <>
      <Title text="Sign in" />
      <form className="card sign-in" onSubmit={signIn}>
        <p>
          This service requires an API key. Its operator can create one with{" "}
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
              The service has refused this key. It may be misspelt, revoked or expired.
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
