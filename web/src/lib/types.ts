/** The shapes that the service answers with. */

export interface Problem {
  status: number;
  code: string;
  message: string;
  hint: string;
  retryAfter?: number;
}

export type Statement = 'self' | 'granted' | 'historical' | 'fictional';
export type Size = '480p' | '720p' | '1080p';
export type Severity = 'info' | 'warning' | 'blocking';
export type Point = [number, number];

export interface FoundFace {
  box: [number, number, number, number];
  yaw: number;
  pitch: number;
  roll: number;
  landmarks: Point[];
  body: boolean;
}

export interface Advice {
  code: string;
  severity: Severity;
  subject: number | null;
  message: string;
  hint: string;
}

export interface Found {
  faces: FoundFace[];
  advice: Advice[];
  people: number;
}

export interface Upload {
  id: string;
  kind: 'photo' | 'video' | 'audio';
  bytes: number;
  width: number | null;
  height: number | null;
  seconds: number | null;
  created_at: number;
  expires_at: number | null;
  found: Found | null;
}

export interface Template {
  name: string;
  title: string;
  description: string;
  category: string;
  tags: string[];
  duration: number;
  loop: string;
  people: number;
  romantic: boolean;
}

export interface JobRequest {
  photos: string[];
  template: string;
  prompt?: string;
  seconds?: number | null;
  size?: string;
  seed?: number;
  intensity?: number;
  speed?: number;
  who?: 'all' | 'main';
  backend?: string;
  consent?: Statement[];
  consents?: string[];
  left?: number | null;
  first?: number | null;
  audio?: string[];
  last?: string | null;
  video?: string | null;
  backdrop?: string | null;
  codec?: string;
}

/** A film as it is asked for. */
export interface VideoAsk extends Omit<JobRequest, 'backend'> {
  remixed_from?: string;
}

export interface Metric {
  name: string;
  value: number;
}

export interface FilmFile {
  width: number;
  height: number;
  seconds: number;
  bytes: number;
  sha256: string;
  report: { passed: boolean; sentence: string; metrics: Record<string, unknown> } | null;
  notices: (Advice | string)[];
  recipe: Record<string, unknown> | null;
}

export type JobState = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

export interface JobError {
  code: string;
  message: string;
  hint?: string;
}

export interface Job {
  id: string;
  state: JobState;
  stage: string;
  percent: number;
  attempt: number;
  round: number;
  cost: number;
  charged: number | null;
  wait_s: number | null;
  made_s: number | null;
  error: JobError | null;
  request: JobRequest | null;
  film: FilmFile | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  expires_at: number | null;
  remixed_from: string | null;
  left_s: number | null;
}

/** As the list of films answers: the shape of the openai client with our extras. */
export interface VideoItem {
  id: string;
  created_at: number;
  completed_at: number | null;
  expires_at: number | null;
  status: 'queued' | 'in_progress' | 'completed' | 'failed';
  progress: number;
  prompt: string | null;
  seconds: string;
  size: string;
  error: JobError | null;
  template?: string | null;
  job?: { state: JobState; stage: string };
}

export interface Page<T> {
  data: T[];
  has_more?: boolean;
  last_id?: string | null;
}

export interface Session {
  user: { id: string; email: string; operator: boolean; has_password: boolean } | null;
  plan: string | null;
  hosted: boolean;
  sign_up: boolean;
  /** Links to make an account, or to set a new password, come by mail. */
  mail: boolean;
  csrf: string | null;
  backends: string[];
  sizes: Size[];
  max_seconds: number;
}

export interface Plan {
  name: string;
  title: string;
  sizes: Size[];
  max_seconds: number;
  label: string | null;
  monthly_credits: number;
  concurrency: number;
  per_hour: number;
  retention_days: number;
  unmetered: boolean;
}

export interface KeyInfo {
  id: string;
  name: string;
  start: string;
  scopes: string[];
  created_at: number;
  expires_at: number | null;
  used_at: number | null;
  revoked_at: number | null;
}

export interface Account {
  tenant: string | { id: string; name: string };
  plan: Plan;
  credits: { available: number; held: number; unmetered: boolean };
  usage: { jobs_this_month: number; seconds_this_month: number };
  keys: KeyInfo[];
}

export interface Estimate {
  cost: number;
  wait_s: number | null;
  make_s: number | null;
  credits_left: number | null;
}

export interface ConsentRecord {
  id: string;
  name: string;
  state: string;
  scope: string[];
  expires: number | string | null;
  method: string;
  adult: string | boolean | null;
  weak: boolean;
  created_at: number;
}

export interface Challenge {
  id: string;
  actions: string[];
  words: string[];
  expires: number | string;
}

export interface Overview {
  queues: { plan: string; queue: string; waiting: number; running: number; oldest_wait_s: number | null }[];
  workers: { id: string; queues: string[]; device: string; state: string; job_id: string | null; beat_age_s: number }[];
  failures: { id: string; code: string; message: string; finished_at: number; attempts: number }[];
  ledger: { balanced: boolean; problems: string[] };
}

export interface Verification {
  state: 'trusted' | 'valid' | 'untrusted' | 'tampered' | 'unsigned';
  sentence: string;
  signer?: string;
  development?: boolean;
  made_with?: string;
  created?: string;
  actions?: string[];
  source_type?: string;
  consent?: { photo: string; statement: string; date: string }[];
  records?: string[];
  number?: string;
  mark?: { number: string; known: boolean; sentence: string; created: string } | null;
  mark_sought?: boolean;
  content_filter?: string;
  problems?: string[];
  recipe?: Record<string, unknown> | null;
}
