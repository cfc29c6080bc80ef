/** What runs in an agent and how many viewers look, for what decides when a short-lived agent ends. */

/** Follows an agent's activity. Given by its starter; called by the agent while it runs. */
export interface ActivityWatcher {
  /** Once, before the first connection. */
  begin(activity: AgentActivity): void;
  /** The server's count of viewers: those that look, or were lost and are likely to be back. */
  viewers(count: number): void;
}

/** What runs in an agent now. Owned by the agent. */
export interface AgentActivity {
  /** Shells and commands that run. */
  readonly busy: number;
  /** Shells that were ever started. */
  readonly shellsStarted: number;
  /** Shows a line in every shell, as if it had been printed there. */
  tell(line: string): void;
}
