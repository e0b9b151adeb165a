// Each failure of an AWS call gets one kind, one code, and an answer to two questions. May it be tried again? Is the outcome known?
import * as dynamodb from '@aws-sdk/client-dynamodb';
import * as kinesis from '@aws-sdk/client-kinesis';
import { expect } from 'chai';
import fc from 'fast-check';
import { classifyAwsError, type AwsCall } from '../../../src/aws/aws-errors.js';
import { isFinalBeforeFirstRead } from '../../../src/api/final-errors.js';
import { KinactError, type ErrorCode, type FailureKind } from '../../../src/api/errors.js';

const write: AwsCall = {
  service: 'dynamodb',
  operation: 'UpdateItem',
  table: 'orders',
  leaseKey: 'shardId-1',
  write: true,
};
const read: AwsCall = { service: 'dynamodb', operation: 'Scan', table: 'orders' };

function service(name: string, status = 400): Error {
  return Object.assign(new Error('said so'), { name, $metadata: { httpStatusCode: status } });
}

function network(code: string, syscall?: string): Error {
  return Object.assign(new Error(code), { code, ...(syscall === undefined ? {} : { syscall }) });
}

describe('classifyAwsError', () => {
  const table: readonly (readonly [string, Error, FailureKind, ErrorCode, boolean, boolean])[] = [
    // what, error, kind, code, retryable, outcome of a write unknown
    ['a throttle', service('ProvisionedThroughputExceededException'), 'throttled', 'AWS_ERROR', true, false],
    ['a throttle by status', service('Whatever', 429), 'throttled', 'AWS_ERROR', true, false],
    ['a control-plane limit', service('LimitExceededException'), 'throttled', 'AWS_ERROR', true, false],
    ['a denied call', service('AccessDeniedException'), 'accessDenied', 'ACCESS_DENIED', false, false],
    ['unknown keys', service('UnrecognizedClientException'), 'credentials', 'CREDENTIALS_MISSING', false, false],
    ['an expired session', service('ExpiredTokenException'), 'credentials', 'CREDENTIALS_MISSING', true, false],
    ['no credentials', service('CredentialsProviderError', 0), 'credentials', 'CREDENTIALS_MISSING', false, false],
    ['no region', new Error('Region is missing'), 'credentials', 'CREDENTIALS_MISSING', false, false],
    [
      'a region that is none',
      new Error('Region not accepted: region="x y"'),
      'credentials',
      'CREDENTIALS_MISSING',
      false,
      false,
    ],
    ['a missing table', service('ResourceNotFoundException'), 'notFound', 'TABLE_NOT_FOUND', true, false],
    ['a busy table', service('ResourceInUseException'), 'inUse', 'AWS_ERROR', true, false],
    ['a failed condition', service('ConditionalCheckFailedException'), 'conditionFailed', 'AWS_ERROR', false, false],
    ['an expired iterator', service('ExpiredIteratorException'), 'expiredIterator', 'AWS_ERROR', false, false],
    ['trimmed data', service('TrimmedDataAccessException'), 'trimmed', 'AWS_ERROR', false, false],
    ['a key that is not to be had', service('KMSAccessDeniedException'), 'encryption', 'AWS_ERROR', true, false],
    ['a bad argument', service('ValidationException'), 'invalidArgument', 'AWS_ERROR', false, false],
    ['a failing service', service('InternalServerError', 500), 'serverError', 'AWS_ERROR', true, true],
    ['a failing proxy', service('Unknown', 502), 'serverError', 'AWS_ERROR', true, true],
    [
      'a timeout',
      Object.assign(new Error('too late'), { name: 'TimeoutError', code: 'ETIMEDOUT' }),
      'timeout',
      'AWS_ERROR',
      true,
      true,
    ],
    [
      'a reset, which the SDK calls a timeout',
      Object.assign(network('ECONNRESET', 'read'), { name: 'TimeoutError' }),
      'network',
      'AWS_ERROR',
      true,
      true,
    ],
    ['a refused connection', network('ECONNREFUSED', 'connect'), 'network', 'AWS_ERROR', true, false],
    ['an unknown host', network('ENOTFOUND', 'getaddrinfo'), 'network', 'AWS_ERROR', true, false],
    ['a bad certificate', network('DEPTH_ZERO_SELF_SIGNED_CERT'), 'network', 'AWS_ERROR', false, false],
    ['a broken TLS record', network('ERR_SSL_BAD_RECORD'), 'network', 'AWS_ERROR', true, true],
    [
      'an unreadable answer',
      Object.assign(new SyntaxError('<html>'), { $metadata: {} }),
      'network',
      'AWS_ERROR',
      true,
      true,
    ],
    [
      'an abort',
      Object.assign(new Error('Request aborted'), { name: 'AbortError' }),
      'aborted',
      'STOPPED',
      false,
      true,
    ],
    ['anything else', new TypeError('bug'), 'other', 'AWS_ERROR', false, true],
  ];
  for (const [what, cause, kind, code, retryable, unknown] of table) {
    it(`classifies ${what} as ${kind}, ${code}, ${retryable ? 'retryable' : 'final'}, outcome ${unknown ? 'unknown' : 'known'}`, () => {
      const failure = classifyAwsError(cause, write);
      expect(failure.kind).to.equal(kind);
      expect(failure.error.code).to.equal(code);
      expect(failure.error.retryable).to.equal(retryable);
      expect(failure.outcomeUnknown).to.equal(unknown);
      expect(failure.error.data.outcomeUnknown).to.equal(unknown ? true : undefined);
      expect(failure.error.cause).to.equal(cause);
      expect(classifyAwsError(cause, read).outcomeUnknown).to.equal(false);
    });
  }

  it('knows the outcome of a dual-stack dial only if every attempt failed to connect', () => {
    const every = Object.assign(
      new AggregateError([network('ECONNREFUSED', 'connect'), network('ETIMEDOUT', 'connect')]),
      { code: 'ECONNREFUSED' },
    );
    expect(classifyAwsError(every, write).outcomeUnknown).to.equal(false);
    const some = Object.assign(
      new AggregateError([network('ECONNREFUSED', 'connect'), network('ECONNRESET', 'read')]),
      { code: 'ECONNREFUSED' },
    );
    expect(classifyAwsError(some, write).outcomeUnknown).to.equal(true);
  });

  it('names the operation to allow, the table and the row for a denied call', () => {
    const { error } = classifyAwsError(service('AccessDeniedException'), write);
    expect(error.message).to.include('grant dynamodb:UpdateItem').and.include("'orders'").and.include('shardId-1');
    expect(error.data).to.deep.include({ operation: 'dynamodb:UpdateItem', table: 'orders', leaseKey: 'shardId-1' });
  });

  it('says of an unknown operation that the client seems to be for another service, which ends a start', () => {
    const call = { service: 'kinesis', operation: 'DescribeStream', stream: 'orders' } as const;
    const { kind, error } = classifyAwsError(service('UnknownOperationException'), call);
    expect(kind).to.equal('invalidArgument');
    expect(error).to.include({ code: 'INVALID_OPTION', retryable: false });
    expect(error.message).to.contain('kinesis:DescribeStream').and.contain('seems to be for another service');
    expect(isFinalBeforeFirstRead(error)).to.equal(true);
  });

  it('classifies a missing stream as STREAM_NOT_FOUND', () => {
    const { error } = classifyAwsError(service('ResourceNotFoundException'), {
      service: 'kinesis',
      operation: 'ListShards',
      stream: 's',
    });
    expect(error.code).to.equal('STREAM_NOT_FOUND');
    expect(error.retryable).to.equal(false);
  });

  it('classifies a signature for another region as WRONG_REGION', () => {
    const cause = Object.assign(service('InvalidSignatureException'), {
      message: "Credential should be scoped to a valid region, not 'eu-west-1'.",
    });
    expect(classifyAwsError(cause, read).error).to.include({ code: 'WRONG_REGION', retryable: false });
  });

  it('gives every modelled exception of both services a kind other than `other`, whatever its status', () => {
    const names = (models: object, base: unknown): string[] =>
      Object.entries(models).flatMap(([name, made]: [string, unknown]) =>
        typeof made === 'function' && made.prototype instanceof (base as new () => Error) ? [name] : [],
      );
    const all = [
      ...names(kinesis, kinesis.KinesisServiceException),
      ...names(dynamodb, dynamodb.DynamoDBServiceException),
    ];
    expect(all).to.include.members([
      'KMSOptInRequired',
      'DryRunOperationException',
      'ReplicatedWriteConflictException',
    ]);
    for (const name of all) {
      for (const status of [0, 400, 500]) {
        const { kind, error } = classifyAwsError(service(name, status), read);
        expect(kind, `${name} with status ${status}`).not.to.equal('other');
        expect(error.data.kind).to.equal(kind);
      }
    }
  });

  it('returns a KinactError unchanged', () => {
    const own = new KinactError('MALFORMED_LEASE', 'no');
    expect(classifyAwsError(own, write)).to.deep.equal({ kind: 'other', error: own, outcomeUnknown: false });
  });

  it('returns a KinactError for any thrown value', () => {
    fc.assert(
      fc.property(fc.anything(), fc.boolean(), (thrown, writing) => {
        const { error } = classifyAwsError(thrown, { ...read, write: writing });
        expect(error).to.be.instanceOf(KinactError);
      }),
      { numRuns: 1000 },
    );
  });
});
