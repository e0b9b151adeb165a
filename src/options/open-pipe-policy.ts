// Which failure policies a pipe without a consumer has: no `stopShard`.
import { isThenable } from '../core/callback.js';
import { KinactError } from '../api/errors.js';
import { isFailurePolicy, type FailurePolicy, type OnFailure } from '../api/failure-policy.js';

interface Refused {
  /** Where in the policy, for the path of the option. */
  readonly at: string;
  readonly text: string;
}

const choose = "choose retry(), park(), 'crash' or 'skip'";

/** Why a policy is refused; undefined if it is not. */
export function refusedPolicy(policy: FailurePolicy): Refused | undefined {
  if (policy === 'stopShard')
    return { at: '', text: `stopShard is not possible in an open pipe, which has no shard: ${choose}` };
  // What follows a failure of a sink is 'retry' by default.
  if (typeof policy !== 'object' || policy.then === 'retry') return undefined;
  const refused = refusedPolicy(policy.then);
  return refused === undefined ? undefined : { ...refused, at: `.then${refused.at}` };
}

/** A function that answers with a policy that is refused throws instead, which counts as `crash`. */
export function withoutRefused(onFailure: OnFailure): OnFailure {
  if (typeof onFailure !== 'function') return onFailure;
  const check = (answer: FailurePolicy): FailurePolicy => {
    const refused = isFailurePolicy(answer) ? refusedPolicy(answer) : undefined;
    if (refused !== undefined) throw new KinactError('INVALID_OPTION', `onFailure${refused.at}: ${refused.text}`);
    return answer;
  };
  return (...failure) => {
    const answer = onFailure(...failure);
    return isThenable(answer) ? Promise.resolve(answer).then(check) : check(answer);
  };
}
