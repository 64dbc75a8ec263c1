import type { EvaluationContext, FlagMetadata, JsonValue, OpenFeatureEventEmitter, Provider, ResolutionDetails } from '@openfeature/server-sdk';

/**
 * Options of pg's Client, which has more than these.  Where they are silent, libpq's
 * environment variables are used (PGHOST, PGUSER and so on).
 */
export interface ConnectionOptions {
  host?: string;
  port?: number;
  database?: string;
  user?: string;
  password?: string | (() => string | Promise<string>);
  connectionString?: string;
  /** true, or options of Node.js' tls.connect() */
  ssl?: boolean | object;
  application_name?: string;
  /** milliseconds until the provider listens, 3000 unless given */
  connectionTimeoutMillis?: number;
  /** milliseconds that the server gives a query, 80 % of timeoutMs unless given */
  statement_timeout?: number;
  [option: string]: unknown;
}

/** What export_features() returns, or a part of it. */
export interface BootstrapDocument {
  /** definitions, by key */
  features?: Record<string, { default?: JsonValue; jsonName?: string; stage?: string; [member: string]: unknown }>;
  /** settings of the system, by JSON name or key */
  system?: Record<string, JsonValue>;
  /** settings of instances, by instance, then by JSON name or key */
  instances?: Record<string, Record<string, JsonValue>>;
  /** settings of organizations, by instance, then by organization, then by JSON name or key */
  organizations?: Record<string, Record<string, Record<string, JsonValue>>>;
  /** settings of users, by instance, then by user, then by JSON name or key */
  users?: Record<string, Record<string, Record<string, JsonValue>>>;
  [member: string]: unknown;
}

export interface InstanceFeaturesProviderOptions {
  /**
   * the instance if the evaluation context names none, "default" unless given;
   * null: the context has to name one
   */
  instanceId?: string | null;
  /** where the extension's functions are, "public" unless given */
  schema?: string;
  connection?: ConnectionOptions;
  /** what answers while the database has not been reached: a document, or a file with it */
  bootstrap?: BootstrapDocument | string | URL;
  /** milliseconds between two comparisons with the database, 4000 unless given */
  heartbeatMs?: number;
  /** milliseconds that a query may take, 3000 unless given */
  timeoutMs?: number;
  /** milliseconds between two comparisons with a standby, 1000 unless given */
  pollMs?: number;
  /** least milliseconds between two loads that notifications cause, 25 unless given */
  pauseMs?: number;
  /** instances in memory, 1000 unless given */
  maxInstances?: number;
  /** contexts in memory, 1000 unless given: organizations and users that evaluations are about */
  maxContexts?: number;
}

/** What flagMetadata has of an evaluation. */
export type InstanceFeaturesFlagMetadata = FlagMetadata & {
  /** the level that sets the feature, or "default" */
  source: 'default' | 'system' | 'instance' | 'organization' | 'user';
  /** of the event that set it */
  sequence?: number;
  /** the instance */
  flagSetId: string;
  /** source and sequence as "instance:7", or "default", or "bootstrap" */
  version: string;
};

/** The evaluation context, as far as the provider looks at it. */
export type InstanceFeaturesContext = EvaluationContext & {
  instanceId?: string | null;
  /** the organization; the user is OpenFeature's targetingKey */
  organizationId?: string | null;
};

export declare class InstanceFeaturesProvider implements Provider {
  /** Throws a TypeError if the options cannot be used. */
  constructor(options?: InstanceFeaturesProviderOptions);

  readonly metadata: { readonly name: string };

  readonly runsOn: 'server';

  readonly events: OpenFeatureEventEmitter;

  initialize(): Promise<void>;

  onClose(): Promise<void>;

  resolveBooleanEvaluation(key: string, defaultValue: boolean, context: EvaluationContext): Promise<ResolutionDetails<boolean>>;

  resolveStringEvaluation(key: string, defaultValue: string, context: EvaluationContext): Promise<ResolutionDetails<string>>;

  resolveNumberEvaluation(key: string, defaultValue: number, context: EvaluationContext): Promise<ResolutionDetails<number>>;

  resolveObjectEvaluation<T extends JsonValue>(key: string, defaultValue: T, context: EvaluationContext): Promise<ResolutionDetails<T>>;
}
