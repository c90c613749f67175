import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useLocation, useSearch } from "wouter";
import { type AuditEntry, auditLog } from "../../api/audit.ts";
import { type Key, keys } from "../../api/keys.ts";
import { bytes, moment } from "../../format.ts";
import { AdminOnly } from "../../ui/admin.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Older } from "../../ui/older.tsx";
import { Title } from "../../ui/title.tsx";
import { inWords, type Target, targetOf } from "./text.ts";

export function AuditPage() {
  return (
    <>
      <Title text="Audit log" />
      <AdminOnly what="the audit log">
        <Audit />
      </AdminOnly>
    </>
  );
}

function Audit() {
  const key = new URLSearchParams(useSearch()).get("key") ?? undefined;
  const list = useInfiniteQuery({ ...auditLog(key), placeholderData: (old) => old });
  const entries = list.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <>
      <p className="lead">
        All requests that changed something or were refused, with the caller, and what retention
        rules deleted. Entries are never changed. <Link href="/keys">Keys</Link>
      </p>
      <Filter chosen={key} />
      {list.error !== null && <ErrorNote error={list.error} retry={() => list.refetch()} />}
      {list.isPending && <Loading what="the audit log" />}
      {list.isSuccess && entries.length === 0 && (
        <Empty title="No entries">
          <p>{key ? "Nothing was changed with this key." : "Nothing was changed yet."}</p>
        </Empty>
      )}
      {entries.length > 0 && (
        <ul className="workers boxed audit" aria-label="Entries, newest first">
          {entries.map((entry) => (
            <Entry key={entry.id} entry={entry} />
          ))}
        </ul>
      )}
      <Older list={list} />
    </>
  );
}

function Filter({ chosen }: { chosen?: string }) {
  const [, go] = useLocation();
  const { data = [] } = useQuery(keys);
  const isKnown = chosen === undefined || data.some((key) => key.id === chosen);
  return (
    <search className="filters">
      <label className="row tight">
        <span>Key</span>
        <select
          value={chosen ?? ""}
          onChange={({ target }) => go(target.value ? `/audit?key=${target.value}` : "/audit")}
        >
          <option value="">All</option>
          {data.map((key) => (
            <option key={key.id} value={key.id}>
              {labelOf(key)}
            </option>
          ))}
          {!isKnown && <option value={chosen}>{chosen}</option>}
        </select>
      </label>
    </search>
  );
}

function labelOf(key: Key): string {
  return key.revoked_at ? `${key.name} (revoked)` : key.name;
}

function Entry({ entry }: { entry: AuditEntry }) {
  const isDone = entry.status < 400;
  return (
    <li>
      <div>
        <time dateTime={entry.created_at}>{moment(entry.created_at)}</time>
        <div className="faint mono wrap">{entry.address}</div>
      </div>
      <div>
        {entry.key_id ? (
          <Link className="wrap" href={`/audit?key=${entry.key_id}`}>
            {entry.who}
          </Link>
        ) : (
          <span className="wrap">{entry.who}</span>
        )}
      </div>
      <div>
        {inWords(entry.action)}
        <TargetLine target={targetOf(entry.target)} />
        {entry.data && (
          <div className="faint">
            {bytes(Number(entry.data.bytes))}: {String(entry.data.reason)}
          </div>
        )}
      </div>
      <div>
        <span className={`pill ${isDone ? "is-succeeded" : "is-failed"}`}>
          {isDone ? "done" : "refused"} {entry.status}
        </span>
        <div className="faint mono wrap" title="The request's id in the service's log">
          {entry.request_id}
        </div>
      </div>
    </li>
  );
}

function TargetLine({ target }: { target: Target }) {
  return (
    <div className="faint mono wrap">
      {target.page ? <Link href={target.page}>{target.text}</Link> : target.text}
    </div>
  );
}
