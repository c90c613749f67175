import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { secrets, useSecretChange, useSecretDeletion } from "../../api/secrets.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { SecretForm } from "./form.tsx";
import { SecretList } from "./list.tsx";

export function SecretsPage() {
  const { data, error, isPending, refetch } = useQuery(secrets);
  const change = useSecretChange();
  const deletion = useSecretDeletion();
  const [formNumber, setFormNumber] = useState(0);
  return (
    <>
      <Title text="Secrets" />
      <Section title="New secret, or new value">
        <Scoped scope="jobs:write" to="store secrets">
          {/* A new form after each secret. */}
          <SecretForm
            key={formNumber}
            store={(secret) =>
              change.mutate(secret, { onSuccess: () => setFormNumber(formNumber + 1) })
            }
            isBusy={change.isPending}
            error={change.error}
          />
        </Scoped>
      </Section>
      <Section title="Stored secrets">
        {(error ?? deletion.error) !== null && (
          <ErrorNote error={error ?? deletion.error} retry={error ? refetch : undefined} />
        )}
        {isPending && <Loading what="the secrets" lines={2} />}
        {data?.length === 0 && <p className="faint">There are no secrets yet.</p>}
        {data && data.length > 0 && <SecretList secrets={data} remove={deletion.mutate} />}
      </Section>
    </>
  );
}
