import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { storedKey, storeKey } from "../../api/key.ts";
import { keys, me, useKeyCreation, useKeyRevocation } from "../../api/keys.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Secret } from "../../ui/secret.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { KeyForm } from "./form.tsx";
import { KeyList } from "./list.tsx";
import { scopesInWords, share } from "./quotas.ts";

export function KeysPage() {
  const caller = useQuery(me);
  const isAdmin = caller.data?.scopes.includes("admin") ?? false;
  return (
    <>
      <Title text="Keys" />
      {caller.error !== null && <ErrorNote error={caller.error} retry={() => caller.refetch()} />}
      {caller.isPending && <Loading what="your account" lines={2} />}
      {caller.data && <Me caller={caller.data} />}
      {caller.data && !isAdmin && (
        <p className="lead">Only a key with the scope admin can list and create keys.</p>
      )}
      {isAdmin && <AllKeys />}
    </>
  );
}

type Caller = Awaited<ReturnType<NonNullable<typeof me.queryFn>>>;

function Me({ caller }: { caller: Caller }) {
  return (
    <Section
      title="You"
      aside={
        storedKey() !== null && (
          <button type="button" className="small" onClick={() => storeKey(null)}>
            Sign out
          </button>
        )
      }
    >
      <Facts>
        <Fact name="Name">{caller.name}</Fact>
        <Fact name="May">{scopesInWords(caller.scopes)}</Fact>
        {caller.quotas && (
          <>
            <Fact name="Jobs in flight">{share(caller.quotas.jobs_in_flight)}</Fact>
            <Fact name="GPU hours">{share(caller.quotas.gpu_hours)}</Fact>
            <Fact name="Files">{share(caller.quotas.artifact_bytes, "bytes")}</Fact>
          </>
        )}
      </Facts>
      <p>
        <Link href="/secrets">Your secrets</Link>, such as tokens of the model hub
      </p>
      {caller.key === null && (
        <p className="faint">
          From this computer, the service needs no key. Keys are needed when the service is
          reachable from other computers.
        </p>
      )}
    </Section>
  );
}

function AllKeys() {
  const { data, error, refetch } = useQuery(keys);
  const creation = useKeyCreation();
  const [formNumber, setFormNumber] = useState(0);
  const revocation = useKeyRevocation();
  return (
    <>
      <Section title="New key">
        {/* A new form after each key. */}
        <KeyForm
          key={formNumber}
          create={(body) =>
            creation.mutate(body, { onSuccess: () => setFormNumber(formNumber + 1) })
          }
          isBusy={creation.isPending}
          error={creation.error}
        />
        {creation.data && (
          <Secret
            title={`The key of ${creation.data.name}, shown only once`}
            message="Copy it now: the service stores only its hash and cannot show it again."
            text={creation.data.key}
            label="new key"
          />
        )}
      </Section>
      <Section title="All keys" aside={<Link href="/audit">Audit log</Link>}>
        {(error ?? revocation.error) !== null && (
          <ErrorNote error={error ?? revocation.error} retry={error ? refetch : undefined} />
        )}
        {data?.length === 0 && <p className="faint">There are no keys yet.</p>}
        {data && data.length > 0 && <KeyList keys={data} revoke={revocation.mutate} />}
      </Section>
    </>
  );
}
