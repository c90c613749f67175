import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { keepKey, storedKey } from "../../api/key.ts";
import { keys, me, useKeyCreation, useKeyRevocation } from "../../api/keys.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Secret } from "../../ui/secret.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { KeyForm } from "./form.tsx";
import { KeyList } from "./list.tsx";
import { share } from "./quotas.ts";

export function KeysPage() {
  const who = useQuery(me);
  const isAdmin = who.data?.scopes.includes("admin") ?? false;
  return (
    <>
      <Title text="Keys" />
      {who.error !== null && <ErrorNote error={who.error} retry={() => who.refetch()} />}
      {who.isPending && <Loading what="who you are" lines={2} />}
      {who.data && <Myself who={who.data} />}
      {who.data && !isAdmin && (
        <p className="lead">Only a key with the scope admin can see and make keys.</p>
      )}
      {isAdmin && <AllKeys />}
    </>
  );
}

type Who = Awaited<ReturnType<NonNullable<typeof me.queryFn>>>;

function Myself({ who }: { who: Who }) {
  return (
    <Section
      title="You"
      aside={
        storedKey() !== null && (
          <button type="button" className="small" onClick={() => keepKey(null)}>
            Sign out
          </button>
        )
      }
    >
      <Facts>
        <Fact name="Name">{who.name}</Fact>
        <Fact name="May">{who.scopes.join(", ")}</Fact>
        {who.quotas && (
          <>
            <Fact name="Jobs in flight">{share(who.quotas.jobs_in_flight)}</Fact>
            <Fact name="GPU hours">{share(who.quotas.gpu_hours)}</Fact>
            <Fact name="Files">{share(who.quotas.artifact_bytes, "bytes")}</Fact>
          </>
        )}
      </Facts>
      {who.key === null && (
        <p className="faint">
          This service asks nobody for a key who reaches it as you do. Keys are for when it is bound
          to an address that others reach, too.
        </p>
      )}
    </Section>
  );
}

function AllKeys() {
  const { data, error, refetch } = useQuery(keys);
  const creation = useKeyCreation();
  const [made, setMade] = useState(0);
  const revocation = useKeyRevocation();
  return (
    <>
      <Section title="New key">
        {/* Made anew for the next one. */}
        <KeyForm
          key={made}
          create={(body) => creation.mutate(body, { onSuccess: () => setMade(made + 1) })}
          isBusy={creation.isPending}
          error={creation.error}
        />
        {creation.data && (
          <Secret
            title={`The key of ${creation.data.name}, shown this once`}
            words="Copy it now: the service keeps only its hash, and cannot show it again."
            text={creation.data.key}
            label="new key"
          />
        )}
      </Section>
      <Section title="All keys" aside={<Link href="/audit">Who changed what</Link>}>
        {(error ?? revocation.error) !== null && (
          <ErrorNote error={error ?? revocation.error} retry={error ? refetch : undefined} />
        )}
        {data?.length === 0 && <p className="faint">There is none yet.</p>}
        {data && data.length > 0 && <KeyList keys={data} revoke={revocation.mutate} />}
      </Section>
    </>
  );
}
