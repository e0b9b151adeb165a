export interface RetryOptions {
  readonly attempts?: number | undefined;
  readonly minMs?: number | undefined;
  readonly maxMs?: number | undefined;
  readonly then?: import('../failure-policy.js').FinalPolicy | undefined;
}
