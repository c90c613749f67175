import { Component, type ReactNode } from "react";
import { ErrorNote } from "./notes.tsx";

interface Props {
  /** A change of the path clears the error. */
  place: string;
  children: ReactNode;
}

interface State {
  error: Error | null;
  place: string;
}

/** The code of a page could not be loaded; the browser tries again only after a reload. */
export class MissingCodeError extends Error {
  override message =
    "Its code could not be loaded: the service is not reachable or has been updated.";
}

/** Shows an error of one page in place of that page. */
export class Boundary extends Component<Props, State> {
  override state: State = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: Error): Partial<State> {
    return { error };
  }

  static getDerivedStateFromProps({ place }: Props, state: State): State | null {
    return place === state.place ? null : { error: null, place };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const isMissing = error instanceof MissingCodeError;
    const retry = () => (isMissing ? location.reload() : this.setState({ error: null }));
    return <ErrorNote error={error} retry={retry} />;
  }
}
