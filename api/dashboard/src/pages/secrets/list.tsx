import type { CallerSecret } from "../../api/secrets.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Ago } from "../../ui/time.tsx";

interface Props {
  secrets: CallerSecret[];
  remove: (secret: CallerSecret) => void;
}

export function SecretList({ secrets, remove }: Props) {
  return (
    <ul className="workers">
      {secrets.map((secret) => (
        <li key={`${secret.created_by} ${secret.name}`}>
          <div>
            <strong className="wrap">{secret.name}</strong>
            <div className="faint mono">{secret.created_by ?? "of all callers without a key"}</div>
          </div>
          <div className="faint">
            set <Ago at={secret.replaced_at ?? secret.created_at} />
          </div>
          <div className="faint">
            {secret.last_used_at ? (
              <>
                used <Ago at={secret.last_used_at} />
              </>
            ) : (
              "never used"
            )}
          </div>
          <Confirm
            label="Delete"
            name={`Delete ${secret.name}`}
            title={`Delete the secret ${secret.name}?`}
            message="Jobs that still need it will fail. This cannot be undone."
            confirmLabel="Delete the secret"
            cancelLabel="Keep it"
            onConfirm={() => remove(secret)}
          />
        </li>
      ))}
    </ul>
  );
}
