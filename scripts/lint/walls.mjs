// The import table of docs/design.md section 1, and the linter rule that enforces it. The rule `no-restricted-imports` is not
// enough: it matches the text of a specifier, but `../core` means another folder in every file. It also accepts `import('nact')`
// and the type `import('nact').Ref`. test/repository/walls.test.ts plants one violation per row.
import { posix, relative, sep } from 'node:path';

const NODE = ['node:'];
const SDK = ['@aws-sdk/', '@smithy/', 'protobufjs'];

const CORE = /^src\/core\//;
const API = /^src\/api\//;
const OPTIONS = /^src\/options\//;
const PIPES = /^src\/pipes\//;
const SUPERVISION = /^supervision\//;
/** The file that behaviours use: their types, and the constructors of effects. */
const ACTOR = /^supervision\/actor\./;
/** What a general-purpose runtime may import: errors, the ports to its host, and the checks of arguments. */
const GENERIC = /^src\/(api\/(errors|ports)|options\/option-table)\./;
const AWS = /^src\/aws\//;
const PARKING = /^src\/parking\//;
/** The host's clock, timers and randomness. */
const HOST = /^src\/consumer\/host-environment\./;
const ACTORS = /^actors\//;
/** Each behaviour is a folder of `actors`. */
const BEHAVIOUR = /^actors\/([\w-]+)\//;
const SHIPPED = /^(src|actors|supervision)\//;

/**
 * One row per place, the lowest first; the first match counts. `may`: files that the place may import. `types`: more files from which
 * it may import types. `packages`: name prefixes; `true` is any package except kinact, nact, the SDK and protobufjs; 'all' is any.
 */
export const walls = [
  { place: CORE, may: [CORE], types: [], packages: [] },
  { place: API, may: [API, CORE], types: [], packages: NODE },
  { place: OPTIONS, may: [OPTIONS, API, CORE], types: [], packages: NODE },
  { place: PIPES, may: [PIPES, API, CORE], types: [], packages: [] },
  { place: /^supervision\/nact\./, may: [SUPERVISION, GENERIC, CORE], types: [], packages: ['nact', ...NODE] },
  { place: SUPERVISION, may: [SUPERVISION, GENERIC, CORE], types: [], packages: NODE },
  { place: AWS, may: [AWS, OPTIONS, API, CORE], types: [], packages: [...SDK, ...NODE] },
  { place: PARKING, may: [PARKING, HOST, AWS, OPTIONS, API, CORE], types: [], packages: NODE },
  {
    place: ACTORS,
    may: [ACTOR, OPTIONS, API, CORE, /^actors\/protocol\//],
    types: [ACTORS, SUPERVISION],
    packages: [],
  },
  { place: /^src\/consumer\//, may: [SHIPPED], types: [], packages: NODE },
  { place: /^src\/index\./, may: [SHIPPED], types: [], packages: NODE },
  { place: /^src\/testing\//, may: [SHIPPED], types: [], packages: true },
  { place: /^src\/cli\//, may: [/^src\//], types: [], packages: true },
  { place: /^examples\//, may: [/^examples\//], types: [], packages: 'all' },
  { place: SHIPPED, may: [], types: [], packages: [] },
  { place: /^(test|bench|scripts)\//, may: [/./], types: [], packages: 'all' },
];

const isPrefixOf = (name) => (prefix) =>
  prefix.endsWith('/') || prefix.endsWith(':')
    ? name.startsWith(prefix)
    : name === prefix || name.startsWith(`${prefix}/`);

/** Returns why `file` may not import `specifier`, or undefined if it may. Paths are relative to the root, with `/`. */
export function refusal(file, specifier, onlyTypes) {
  const row = walls.find(({ place }) => place.test(file));
  if (row === undefined) return undefined;
  if (!specifier.startsWith('.')) {
    if (row.packages === 'all') return undefined;
    const matches = isPrefixOf(specifier);
    const hasHome = ['nact', ...SDK].some(matches);
    const allowed = row.packages === true ? !hasHome && !matches('kinact') : row.packages.some(matches);
    return allowed ? undefined : `${file} may not import the package ${specifier}`;
  }
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  if (row.may.some((place) => place.test(target))) return undefined;
  const behaviour = BEHAVIOUR.exec(file)?.[1];
  if (behaviour !== undefined && behaviour === BEHAVIOUR.exec(target)?.[1]) return undefined;
  if (row.types.some((place) => place.test(target))) {
    return onlyTypes ? undefined : `${file} may import only types from ${target}: use \`import type\``;
  }
  return `${file} may not import ${target}`;
}

const isTypeOnly = (node) => {
  if (node.importKind === 'type' || node.exportKind === 'type') return true;
  const names = node.specifiers ?? [];
  return names.length > 0 && names.every((each) => each.importKind === 'type' || each.exportKind === 'type');
};

export const wallsRule = {
  create(context) {
    const file = relative(context.cwd, context.filename).split(sep).join('/');
    const check = (node, source, onlyTypes) => {
      if (source === null || source === undefined) return;
      const message =
        typeof source.value === 'string'
          ? refusal(file, source.value, onlyTypes)
          : `${file} imports a computed path: the import table cannot be checked`;
      if (message !== undefined) context.report({ node, message: `${message} (docs/design.md section 1)` });
    };
    const dynamic = (node) => {
      // A computed path is allowed only in code that is not shipped.
      if (node.source.type !== 'Literal' && !SHIPPED.test(file)) return;
      check(node, node.source, false);
    };
    return {
      ImportDeclaration: (node) => check(node, node.source, isTypeOnly(node)),
      ExportNamedDeclaration: (node) => check(node, node.source, isTypeOnly(node)),
      ExportAllDeclaration: (node) => check(node, node.source, isTypeOnly(node)),
      ImportExpression: dynamic,
      TSImportType: (node) => check(node, node.source ?? node.argument, true),
      TSImportEqualsDeclaration: (node) => check(node, node.moduleReference?.expression, false),
    };
  },
};
