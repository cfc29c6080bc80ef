/** Which CI job this is, by the variables that its runner sets. */

type Environment = Readonly<Record<string, string | undefined>>;

/** What is known of a CI job, from its environment. */
export interface Job {
  /** A name for the agent, from what tells one job from another. */
  name: string;
  description: string;
  tags: string[];
}

/** @param hostname for where there is no job that we know of */
export function describeJob(env: Environment, hostname: string): Job {
  const runner = RUNNERS.find(({ mark }) => env[mark]);
  const parts = runner?.name(env).filter((part): part is string => Boolean(part)) ?? [];
  if (!runner || parts.length === 0) {
    return { name: hostname, description: `ephemeral, on ${hostname}`, tags: ["ephemeral"] };
  }
  const page = runner.page(env);
  return {
    name: nameOf(parts),
    description: `${runner.title} job${page ? ` ${page}` : ""}`.slice(0, 1024),
    tags: ["ephemeral", "ci", runner.tag],
  };
}

// --- internal ---

interface Runner {
  title: string;
  tag: string;
  /** A variable that only this one sets. */
  mark: string;
  name(env: Environment): (string | undefined)[];
  /** Where a person finds the job. */
  page(env: Environment): string | undefined;
}

/** The variables are those of each one's reference: docs.github.com, docs.gitlab.com/ci/variables, … */
const RUNNERS: readonly Runner[] = [
  {
    title: "GitHub Actions",
    tag: "github-actions",
    mark: "GITHUB_RUN_ID",
    // A second attempt has the same run id. Jobs of a matrix have all of it in common: see `registration.ts`.
    name: (env) => [
      env.GITHUB_REPOSITORY,
      env.GITHUB_RUN_ID,
      env.GITHUB_RUN_ATTEMPT === "1" ? undefined : env.GITHUB_RUN_ATTEMPT,
      env.GITHUB_JOB,
    ],
    page: (env) =>
      env.GITHUB_SERVER_URL &&
      `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}/actions/runs/${env.GITHUB_RUN_ID}`,
  },
  {
    title: "GitLab CI",
    tag: "gitlab-ci",
    mark: "CI_JOB_ID",
    name: (env) => [env.CI_PROJECT_PATH_SLUG ?? env.CI_PROJECT_NAME, env.CI_JOB_ID],
    page: (env) => env.CI_JOB_URL,
  },
  {
    title: "Buildkite",
    tag: "buildkite",
    mark: "BUILDKITE_JOB_ID",
    name: (env) => [
      env.BUILDKITE_PIPELINE_SLUG,
      env.BUILDKITE_BUILD_NUMBER,
      env.BUILDKITE_JOB_ID?.slice(0, 8),
    ],
    page: (env) => env.BUILDKITE_BUILD_URL,
  },
  {
    title: "CircleCI",
    tag: "circleci",
    mark: "CIRCLE_BUILD_NUM",
    name: (env) => [env.CIRCLE_PROJECT_REPONAME, env.CIRCLE_BUILD_NUM, env.CIRCLE_JOB],
    page: (env) => env.CIRCLE_BUILD_URL,
  },
  {
    title: "Jenkins",
    tag: "jenkins",
    mark: "JENKINS_URL",
    name: (env) => [env.JOB_NAME, env.BUILD_NUMBER],
    page: (env) => env.BUILD_URL,
  },
];

/** What a server takes as a name and a shell needs no quotes for. */
function nameOf(parts: readonly string[]): string {
  const name = parts.join("-").replace(/[^A-Za-z0-9._-]+/g, "-");
  return name.replace(/^[-.]+/, "").slice(0, 120) || "ci";
}
