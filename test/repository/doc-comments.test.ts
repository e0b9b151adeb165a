// What users import has doc comments: every export of the three entry points, and every member of the types behind the exports.
// The compiler finds both. A member that only tells the types of a union apart needs no comment.
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const entries = ['src/index.ts', 'src/testing/index.ts', 'supervision/index.ts'];

/**
 * Files whose types are behind the public ones, and that users do not use: ports, rules and tables. Their types are checked only if
 * an entry point exports them by name.
 */
const isBehind = (file: string): boolean => /^src\/(core\/|options\/|api\/(ports|described-stream)\.ts$)/.test(file);

/** The sources, with the given texts instead of the files of these paths, or beside them. */
function programOf(texts: Readonly<Record<string, string>>, files: readonly string[]): ts.Program {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  const given = (path: string): string | undefined => texts[relative(root, path)];
  host.fileExists = (path) => given(path) !== undefined || fileExists(path);
  host.readFile = (path) => given(path) ?? readFile(path);
  host.getSourceFile = (path, version) => {
    const text = host.readFile(path);
    return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
  };
  return ts.createProgram(
    files.map((file) => `${root}${file}`),
    options,
    host,
  );
}

type Member =
  | ts.PropertySignature
  | ts.MethodSignature
  | ts.PropertyDeclaration
  | ts.MethodDeclaration
  | ts.GetAccessorDeclaration;

const isMember = (node: ts.Node): node is Member =>
  ts.isPropertySignature(node) ||
  ts.isMethodSignature(node) ||
  ts.isPropertyDeclaration(node) ||
  ts.isMethodDeclaration(node) ||
  ts.isGetAccessorDeclaration(node);

/** A member with one possible value tells types apart (`type: 'send'`), or is ruled out (`reduce?: undefined`). */
function tellsApart({ type }: Member): boolean {
  if (type === undefined) return false;
  return ts.isLiteralTypeNode(type) || type.kind === ts.SyntaxKind.UndefinedKeyword;
}

/** A part of a type that is not the shape of any value: a condition, or the pattern that `Extract` selects by. */
function isPattern(node: ts.Node): boolean {
  if (ts.isConditionalTypeNode(node)) return true;
  return (
    ts.isTypeLiteralNode(node) &&
    ts.isTypeReferenceNode(node.parent) &&
    ['Extract', 'Exclude'].includes(node.parent.typeName.getText())
  );
}

function isHidden(node: ts.Node): boolean {
  if (ts.isBlock(node)) return true;
  if (!ts.isClassElement(node)) return false;
  const { name } = node;
  if (name !== undefined && ts.isPrivateIdentifier(name)) return true;
  return (ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
}

interface Search {
  readonly checker: ts.TypeChecker;
  readonly seen: Set<ts.Node>;
  readonly found: Set<string>;
}

const fileOf = (node: ts.Node): string => relative(root, node.getSourceFile().fileName);
const isOurs = (node: ts.Node): boolean => !/^\.\.|node_modules/.test(fileOf(node));

function lineOf(node: ts.Node): number {
  return node.getSourceFile().getLineAndCharacterOfPosition(node.getStart()).line + 1;
}

function note(search: Search, name: string, node: ts.Node): void {
  search.found.add(`${name} (${fileOf(node)}:${lineOf(node)})`);
}

function resolved({ checker }: Search, symbol: ts.Symbol): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/** Whether there is a comment that says more than the name: `The shard.` at `shardId` does not. */
function isDocumented({ checker }: Search, symbol: ts.Symbol | undefined): boolean {
  if (symbol === undefined) return false;
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker));
  const name = wordsOf(symbol.name.replaceAll(/([A-Z])/g, ' $1'));
  return wordsOf(text).some((word) => !name.includes(word) && !['a', 'an', 'the', 'of', 'its', 's'].includes(word));
}

const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** Searches an export or a type that it refers to. */
function searchSymbol(search: Search, symbol: ts.Symbol): void {
  const declarations = (symbol.declarations ?? []).filter(isOurs);
  const [first] = declarations;
  if (first === undefined || ts.isTypeParameterDeclaration(first) || search.seen.has(first)) return;
  if (!isDocumented(search, symbol)) note(search, symbol.name, first);
  for (const declaration of declarations) {
    search.seen.add(declaration);
    searchNode(search, declaration, symbol.name);
  }
}

function searchNode(search: Search, node: ts.Node, path: string): void {
  node.forEachChild((child) => {
    if (isHidden(child) || isPattern(child)) return;
    let at = path;
    if (isMember(child)) {
      at = `${path}.${child.name.getText()}`;
      const symbol = search.checker.getSymbolAtLocation(child.name);
      if (!tellsApart(child) && !isDocumented(search, symbol)) note(search, at, child);
    } else if (ts.isConstructorDeclaration(child) && child.parameters.length > 0) {
      at = `${path}.constructor`;
      if (ts.getJSDocCommentsAndTags(child).length === 0) note(search, at, child);
    } else if (ts.isTypeReferenceNode(child) || ts.isExpressionWithTypeArguments(child)) {
      followReference(search, ts.isTypeReferenceNode(child) ? child.typeName : child.expression);
    }
    searchNode(search, child, at);
  });
}

function followReference(search: Search, name: ts.Node): void {
  const symbol = search.checker.getSymbolAtLocation(name);
  if (symbol === undefined) return;
  const target = resolved(search, symbol);
  if (target.declarations?.some((each) => !isBehind(fileOf(each))) === true) searchSymbol(search, target);
}

/** The exports of these modules, and the members of their types, that have no doc comment: name and place. */
function undocumented(program: ts.Program, modules: readonly string[]): readonly string[] {
  const checker = program.getTypeChecker();
  const search: Search = { checker, seen: new Set(), found: new Set() };
  const searchModule = (module: ts.Symbol): void => {
    for (const each of checker.getExportsOfModule(module)) {
      const symbol = resolved(search, each);
      if ((symbol.flags & ts.SymbolFlags.ValueModule) === 0) searchSymbol(search, symbol);
      else if (symbol.declarations?.some(isOurs) === true) searchModule(symbol);
    }
  };
  for (const module of modules) {
    const file = program.getSourceFile(`${root}${module}`) as ts.SourceFile;
    searchModule(checker.getSymbolAtLocation(file) as ts.Symbol);
  }
  return [...search.found];
}

describe('a doc comment', function () {
  this.timeout(60_000);

  it('says something at every export of an entry point, and at every member of its type', () => {
    expect(undocumented(programOf({}, entries), entries)).to.deep.equal([]);
  });

  it('is missed at an export, a member, a nested member, a parameter’s member and a type that a member refers to', () => {
    const texts = {
      'src/entry.ts': `export { Adder } from './made.js';\nexport type { Shape, Told } from './made.js';\nexport * as made from './made.js';\n`,
      'src/made.ts': `
        interface Behind { readonly depth: number }
        export interface Shape { readonly bare: string;
          /** Said. */ readonly whole: { readonly inner: Behind } }
        /** Said. */
        export type Told = { readonly type: 'a'; readonly width: number } | { readonly type: 'b'; readonly off?: undefined };
        /** Said. */
        export class Adder { constructor(start: number) { this.#sum = start; } #sum: number; private own = 1;
          /** Said. */ add(options: { readonly by: number }): void { this.#sum += options.by + this.own; }
          total(): number { return this.#sum; } }
        /** Said. */
        export type Picked<T> = T extends { readonly pattern: infer P } ? P : Extract<T, { readonly type: 'a' }>;
        export function undone(): void {}
        /** The echo. */
        export const echo = 1;
      `,
    };
    const found = undocumented(programOf(texts, ['src/entry.ts']), ['src/entry.ts']);
    expect(found.map((each) => each.replace(/ \(src\/made\.ts:\d+\)$/, ''))).to.have.members([
      'Shape',
      'Shape.bare',
      'Shape.whole.inner',
      'Behind',
      'Behind.depth',
      'Told.width',
      'Adder.constructor',
      'Adder.add.by',
      'Adder.total',
      'undone',
      'echo',
    ]);
  });
});
