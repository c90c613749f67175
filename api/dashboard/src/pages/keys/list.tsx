import { Link } from "wouter";
import type { Key } from "../../api/keys.ts";
import { moment } from "../../format.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { useNow } from "../../ui/now.ts";
import { Ago } from "../../ui/time.tsx";
import { bounds, endOf, scopesInWords } from "./quotas.ts";

interface Props {
  keys: Key[];
  revoke: (id: string) => void;
}

export function KeyList({ keys, revoke }: Props) {
  return (
    <ul className="workers">
      {keys.map((key) => (
        <KeyRow key={key.id} of={key} revoke={() => revoke(key.id)} />
      ))}
    </ul>
  );
}

function KeyRow({ of: key, revoke }: { of: Key; revoke: () => void }) {
  const ended = endOf(key, useNow());
  return (
    <li>
      <div>
        <strong className="wrap">{key.name}</strong>
        <div className="faint mono">{key.id}</div>
      </div>
      <div>
        {scopesInWords(key.scopes)}
        <div className="faint">
          created <Ago at={key.created_at} />
          {key.expires_at && <> · until {moment(key.expires_at)}</>}
        </div>
        <div className="faint">{bounds(key.quotas).join(", ") || "no limits"}</div>
      </div>
      <div className="faint">
        {key.last_used_at ? (
          <>
            used <Ago at={key.last_used_at} />
          </>
        ) : (
          "never used"
        )}
        <div>
          <Link href={`/audit?key=${key.id}`} aria-label={`Audit log of ${key.name}`}>
            audit log
          </Link>
        </div>
      </div>
      {ended === "revoked" && <span className="pill is-cancelled">revoked</span>}
      {ended === "expired" && <span className="pill is-expired">expired</span>}
      {ended === null && (
        <Confirm
          label="Revoke"
          name={`Revoke ${key.name}`}
          title={`Revoke the key of ${key.name}?`}
          message="The key stops working at once. This cannot be undone."
          confirmLabel="Revoke the key"
          cancelLabel="Keep it"
          onConfirm={revoke}
        />
      )}
    </li>
  );
}
