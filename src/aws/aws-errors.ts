// Turns anything that the AWS SDK throws into one KinactError, and determines whether a failed write may still have happened.
// Shared by the lease table and the stream sources. Invariant: `outcomeUnknown` of a write is false only if the service answered
// with a refusal, or the request cannot have left this machine.
import { isKinactError, KinactError, type ErrorCode, type ErrorData, type FailureKind } from '../api/errors.js';

/** The call that failed, for the message and the data of the error. */
export interface AwsCall {
  readonly service: 'dynamodb' | 'kinesis';
  /** The API operation, as IAM writes it: `UpdateItem`, `GetRecords`. */
  readonly operation: string;
  readonly table?: string;
  readonly stream?: string;
  readonly leaseKey?: string;
  readonly shardId?: string;
  /** True for calls that change something. Only their outcome can be unknown. */
  readonly write?: boolean;
}

export interface AwsFailure {
  readonly kind: FailureKind;
  /** `error.retryable`: whether the same call may succeed later by itself. `error.cause`: the value that was thrown. */
  readonly error: KinactError;
  /** Whether a write may have been carried out although it failed here. Always false for a read. */
  readonly outcomeUnknown: boolean;
}

/** The members of an SDK or node:net error that are read here; any of them may be missing. */
interface ErrorShape {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly errors?: unknown;
  readonly $retryable?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly clockSkewCorrected?: unknown };
}

const kindByName: ReadonlyMap<string, FailureKind> = new Map<string, FailureKind>([
  ...names('throttled', [
    'LimitExceededException',
    'ProvisionedThroughputExceededException',
    'RequestLimitExceeded',
    'ThrottlingException',
    'Throttling',
    'ThrottledException',
    'RequestThrottled',
    'RequestThrottledException',
    'TooManyRequestsException',
    'SlowDown',
    'KMSThrottlingException',
    'BandwidthLimitExceeded',
    'PriorRequestNotComplete',
  ]),
  ...names('accessDenied', ['AccessDeniedException', 'AccessDenied', 'NotAuthorized', 'UnauthorizedOperation']),
  ...names('credentials', [
    'CredentialsProviderError',
    'TokenProviderError',
    'UnrecognizedClientException',
    'InvalidClientTokenId',
    'MissingAuthenticationTokenException',
    'MissingAuthenticationToken',
    'IncompleteSignatureException',
    'IncompleteSignature',
    'InvalidSignatureException',
    'SignatureDoesNotMatch',
    'AuthFailure',
    'RequestExpired',
    'RequestInTheFuture',
    'RequestTimeTooSkewed',
    'ExpiredTokenException',
    'ExpiredToken',
  ]),
  ...names('notFound', ['ResourceNotFoundException', 'TableNotFoundException']),
  ...names('inUse', [
    'ResourceInUseException',
    'TableInUseException',
    'TransactionConflictException',
    'ReplicatedWriteConflictException',
  ]),
  ...names('conditionFailed', ['ConditionalCheckFailedException']),
  ...names('expiredIterator', ['ExpiredIteratorException']),
  ...names('expiredToken', ['ExpiredNextTokenException']),
  ...names('trimmed', ['TrimmedDataAccessException']),
  ...names('invalidArgument', [
    'InvalidArgumentException',
    'ValidationException',
    'ValidationError',
    'SerializationException',
    'UnknownOperationException',
    'ItemCollectionSizeLimitExceededException',
  ]),
  // Failures of the key that encrypts the data. People change it, or the right to use it, and change it back.
  ...names('encryption', [
    'KMSAccessDeniedException',
    'KMSDisabledException',
    'KMSInvalidStateException',
    'KMSNotFoundException',
    'KMSOptInRequired',
  ]),
  ...names('timeout', ['TimeoutError', 'RequestTimeout', 'RequestTimeoutException']),
  ...names('aborted', ['AbortError']),
  ...names('serverError', [
    'InternalServerError',
    'InternalFailure',
    'InternalFailureException',
    'ServiceUnavailable',
    'ServiceUnavailableException',
  ]),
]);

/** Names of failures that pass by themselves once the SDK has fetched new credentials or measured the clock's skew. */
const passingCredentialNames: ReadonlySet<string> = new Set([
  'ExpiredTokenException',
  'ExpiredToken',
  'RequestExpired',
  'RequestInTheFuture',
  'RequestTimeTooSkewed',
]);

const networkCodes: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENOBUFS',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** System calls that come before the first byte of a request. */
const dialling: ReadonlySet<string> = new Set(['connect', 'getaddrinfo']);

/**
 * Classifies a failed AWS call. A KinactError passes through unchanged, so a caller may classify anything that its `try` block
 * threw.
 */
export function classifyAwsError(cause: unknown, call: AwsCall): AwsFailure {
  if (isKinactError(cause))
    return { kind: cause.data.kind ?? 'other', error: cause, outcomeUnknown: cause.data.outcomeUnknown === true };

  const shape: ErrorShape = typeof cause === 'object' && cause !== null ? cause : { message: String(cause) };
  const kind = kindOf(shape);
  const outcomeUnknown = call.write === true && mayHaveHappened(kind, shape);
  const { code, retryable, message } = verdict(kind, shape, call);

  const data: ErrorData = {
    operation: `${call.service}:${call.operation}`,
    kind,
    ...(call.table === undefined ? {} : { table: call.table }),
    ...(call.stream === undefined ? {} : { stream: call.stream }),
    ...(call.leaseKey === undefined ? {} : { leaseKey: call.leaseKey }),
    ...(call.shardId === undefined ? {} : { shardId: call.shardId }),
    ...(outcomeUnknown ? { outcomeUnknown } : {}),
  };
  return { kind, error: new KinactError(code, message, { cause, retryable, data }), outcomeUnknown };
}

function names(kind: FailureKind, list: readonly string[]): readonly (readonly [string, FailureKind])[] {
  return list.map((name) => [name, kind] as const);
}

function kindOf(error: ErrorShape): FailureKind {
  const name = text(error.name);
  const code = text(error.code);
  if (/region (is missing|not accepted)/i.test(text(error.message))) return 'credentials';
  // The SDK's HTTP handler gives a connection reset the name TimeoutError, so the code comes first.
  if (networkCodes.has(code) || /^ERR_(HTTP2|SSL|TLS)/.test(code) || isCertificateCode(code)) return 'network';

  const byName = kindByName.get(name) ?? kindByName.get(code);
  if (byName !== undefined) return byName;
  if (code === 'ETIMEDOUT') return 'timeout';

  const status = statusOf(error);
  if (status === 429) return 'throttled';
  if (status === 401 || status === 403) return 'accessDenied';
  if (status >= 500) return 'serverError';
  if (status >= 400) return 'invalidArgument';
  if (error.$retryable !== undefined) return 'serverError';

  // An answer that could not be parsed: a proxy's page, or a connection cut in the middle of a body.
  if (name === 'SyntaxError' || error.$metadata !== undefined || /socket hang up|aborted/i.test(text(error.message)))
    return 'network';
  return 'other';
}

function isCertificateCode(code: string): boolean {
  return /^(ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|HOSTNAME_MISMATCH)/.test(code);
}

function mayHaveHappened(kind: FailureKind, error: ErrorShape): boolean {
  switch (kind) {
    case 'network':
    case 'timeout':
    case 'aborted':
    case 'serverError':
    case 'other':
      return !neverLeft(error);
    case 'throttled':
    case 'accessDenied':
    case 'credentials':
    case 'notFound':
    case 'inUse':
    case 'conditionFailed':
    case 'expiredIterator':
    case 'expiredToken':
    case 'trimmed':
    case 'invalidArgument':
    case 'encryption':
      // A refusal with a status of 500 or above comes from something between us and the service.
      return statusOf(error) >= 500 && kind !== 'throttled';
    default:
      return kind satisfies never;
  }
}

/** True if no byte of the request can have been sent: the name was not resolved, or no connection was made. */
function neverLeft(error: ErrorShape): boolean {
  if (Array.isArray(error.errors) && error.errors.length > 0) {
    return error.errors.every((each: unknown) => typeof each === 'object' && each !== null && neverLeft(each));
  }
  if (dialling.has(text(error.syscall))) return true;
  return isCertificateCode(text(error.code));
}

/** The default of KinesisClient is HTTP/2. A server that speaks only HTTP/1.1, as local ones do, never answers it. */
const noHttp2 =
  'the server does not speak HTTP/2; give the client `requestHandler: new NodeHttpHandler()`, or the `clientConfig` of the server of kinact/testing';

function verdict(
  kind: FailureKind,
  error: ErrorShape,
  call: AwsCall,
): { code: ErrorCode; retryable: boolean; message: string } {
  const action = `${call.service}:${call.operation}`;
  const where = targetOf(call);
  const said = `${text(error.name) || text(error.code) || 'Error'}: ${text(error.message)}`;
  switch (kind) {
    case 'throttled':
      return { code: 'AWS_ERROR', retryable: true, message: `${action}${where} was throttled (${said})` };
    case 'network':
      if (text(error.code) === 'ERR_HTTP2_ERROR' && /protocol error/i.test(text(error.message)))
        return { code: 'AWS_ERROR', retryable: true, message: `${action}${where}: ${noHttp2} (${said})` };
      return isCertificateCode(text(error.code))
        ? {
            code: 'AWS_ERROR',
            retryable: false,
            message: `${action}${where}: the server's certificate is not accepted (${said}); check the endpoint`,
          }
        : { code: 'AWS_ERROR', retryable: true, message: `${action}${where} failed on the network (${said})` };
    case 'timeout':
      return { code: 'AWS_ERROR', retryable: true, message: `${action}${where} was not answered in time (${said})` };
    case 'aborted':
      return { code: 'STOPPED', retryable: false, message: `${action}${where} was aborted` };
    case 'accessDenied':
      return {
        code: 'ACCESS_DENIED',
        retryable: false,
        message: `${action}${where} is not allowed: grant ${action} to these credentials (${said})`,
      };
    case 'credentials':
      return credentialsVerdict(error, action, said);
    case 'notFound':
      return notFoundVerdict(call, said);
    case 'inUse':
      return {
        code: 'AWS_ERROR',
        retryable: true,
        message: `${action}${where}: the resource is being changed (${said})`,
      };
    case 'conditionFailed':
      return {
        code: 'AWS_ERROR',
        retryable: false,
        message: `${action}${where}: the condition does not hold (${said})`,
      };
    case 'invalidArgument':
      if (text(error.name) === 'UnknownOperationException') return unknownOperationVerdict(call, said);
      return { code: 'AWS_ERROR', retryable: false, message: `${action}${where} was refused (${said})` };
    case 'expiredIterator':
    case 'expiredToken':
    case 'trimmed':
      return { code: 'AWS_ERROR', retryable: false, message: `${action}${where} was refused (${said})` };
    case 'encryption':
      return {
        code: 'AWS_ERROR',
        retryable: true,
        message: `${action}${where}: the key of the stream or table cannot be used; look at the KMS key and its policy (${said})`,
      };
    case 'serverError':
      return { code: 'AWS_ERROR', retryable: true, message: `${action}${where}: the service failed (${said})` };
    case 'other':
      return { code: 'AWS_ERROR', retryable: false, message: `${action}${where} failed (${said})` };
    default:
      return kind satisfies never;
  }
}

/** No retry helps, so the start ends. An operation that a local server lacks, and that is not needed, is left to the caller. */
function unknownOperationVerdict(
  call: AwsCall,
  said: string,
): { code: ErrorCode; retryable: boolean; message: string } {
  return {
    code: 'INVALID_OPTION',
    retryable: false,
    message:
      `${call.service}:${call.operation}${targetOf(call)}: the server has no such operation. The client or endpoint seems to be for ` +
      `another service: check the option \`client\`, and that of the lease table (${said})`,
  };
}

function credentialsVerdict(
  error: ErrorShape,
  action: string,
  said: string,
): { code: ErrorCode; retryable: boolean; message: string } {
  if (/region not accepted/i.test(text(error.message))) {
    return {
      code: 'CREDENTIALS_MISSING',
      retryable: false,
      message: `${action}: the configured region is not the name of a region; check AWS_REGION or the option region (${said})`,
    };
  }
  if (/region is missing/i.test(text(error.message))) {
    return {
      code: 'CREDENTIALS_MISSING',
      retryable: false,
      message: `${action}: no region is configured; set AWS_REGION or the option region`,
    };
  }
  if (/scoped to a valid region/i.test(text(error.message))) {
    return {
      code: 'WRONG_REGION',
      retryable: false,
      message: `${action}: the client signs for another region than its endpoint's (${said})`,
    };
  }

  const passing = passingCredentialNames.has(text(error.name)) || error.$metadata?.clockSkewCorrected === true;
  return statusOf(error) >= 400
    ? {
        code: 'CREDENTIALS_MISSING',
        retryable: passing,
        message: `${action}: AWS does not accept the credentials; check key, secret, token and clock (${said})`,
      }
    : {
        code: 'CREDENTIALS_MISSING',
        retryable: passing,
        message: `${action}: no credentials were found; configure them as for any AWS tool (${said})`,
      };
}

function notFoundVerdict(call: AwsCall, said: string): { code: ErrorCode; retryable: boolean; message: string } {
  if (call.service === 'kinesis' || call.stream !== undefined) {
    return {
      code: 'STREAM_NOT_FOUND',
      retryable: false,
      message: `${call.service}:${call.operation}${targetOf(call)}: not found in this region and account; check name, region and credentials (${said})`,
    };
  }
  // DynamoDB gives the same answer for a table that is still being created, so a retry may succeed.
  return {
    code: 'TABLE_NOT_FOUND',
    retryable: true,
    message: `dynamodb:${call.operation}${targetOf(call)}: the table does not exist or is not ready (${said})`,
  };
}

function targetOf(call: AwsCall): string {
  const target = call.table ?? call.stream;
  const part = call.leaseKey ?? call.shardId;
  if (target === undefined) return '';
  return part === undefined ? ` on '${target}'` : ` on '${target}' (${part})`;
}

function statusOf(error: ErrorShape): number {
  const status = error.$metadata?.httpStatusCode;
  return typeof status === 'number' ? status : 0;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
