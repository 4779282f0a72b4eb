/**
 * What silences or widens the type checker in a program, found token by token with the compiler's own scanner, so
 * that the words in strings and comments do not count and odd spacing does not hide anything.
 */
import { SyntaxKind } from 'typescript/unstable/ast';
import { createScanner } from 'typescript/unstable/ast/scanner';

/** What a program may be forbidden to use. */
export const suppressionKinds = [
  /** `@ts-nocheck`, `@ts-ignore`, `@ts-expect-error`. */
  'directive',
  /** `any` in any place where a type may stand, so also `as any` and `<any>`. */
  'any',
  /** `as unknown as T`, `as never`, and `<unknown>`. */
  'double-assertion',
  /** `value!`. */
  'non-null',
  /** `declare …`, `declare global`, and namespaces and modules, which can pretend that something exists. */
  'ambient',
  /** `/// <reference …>` and `/// <amd-…>`. */
  'triple-slash',
  /** `import …`, `import(…)`, `require(…)`, `export … from`, `export =`: other files. */
  'import',
  /** `eval`, `Function(…)`: code that no checker sees. */
  'eval',
] as const;

export type SuppressionKind = (typeof suppressionKinds)[number];

export interface Suppression {
  readonly kind: SuppressionKind;
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

interface Token {
  readonly kind: SyntaxKind;
  readonly text: string;
  readonly start: number;
  readonly lineBreak: boolean;
}

/** Beyond it a program is one big suppression: nobody writes as many. */
const mostFound = 50;

export function findSuppressions(source: string): Suppression[] {
  const found: Suppression[] = [];
  const add = (kind: SuppressionKind, start: number, text: string) => {
    if (found.length < mostFound) {
      found.push({ kind, line: source.slice(0, start).split('\n').length, text: text.slice(0, 80) });
    }
  };
  const tokens = tokensOf(source, (start, text) => {
    // As the compiler reads them: anywhere in a comment's first words, and in any line of a block.
    if (/@ts-(?:nocheck|ignore|expect-error)/.test(text)) add('directive', start, text);
    if (/^\/\/\/\s*</.test(text)) add('triple-slash', start, text);
  });
  for (const [i, token] of tokens.entries()) {
    const before = tokens[i - 1];
    const after = tokens[i + 1];
    // `object.any` and `{ any: 1 }` are names.
    const isName = before?.kind === SyntaxKind.DotToken || before?.kind === SyntaxKind.QuestionDotToken;
    switch (token.kind) {
      case SyntaxKind.AnyKeyword:
        if (!isName && after?.kind !== SyntaxKind.ColonToken && !isDeclaredName(before)) {
          add('any', token.start, `${before?.text ?? ''} any`);
        }
        break;
      case SyntaxKind.UnknownKeyword:
      case SyntaxKind.NeverKeyword:
        if (before?.kind === SyntaxKind.AsKeyword || before?.kind === SyntaxKind.LessThanToken) {
          const cast =
            before.kind === SyntaxKind.AsKeyword
              ? token.kind === SyntaxKind.NeverKeyword || after?.kind === SyntaxKind.AsKeyword
              : after?.kind === SyntaxKind.GreaterThanToken && startsExpression(tokens[i - 2]);
          if (cast) add('double-assertion', token.start, `${before.text} ${token.text}`);
        }
        break;
      case SyntaxKind.ExclamationToken:
        // After a value and on its line it asserts; `let x!: T` is the same promise.
        if (before !== undefined && !token.lineBreak && endsValue(before)) {
          add('non-null', token.start, `${before.text}!`);
        }
        break;
      case SyntaxKind.DeclareKeyword:
        if (!isName && after !== undefined && !after.lineBreak && startsDeclaration(after)) {
          add('ambient', token.start, `declare ${after.text}`);
        }
        break;
      case SyntaxKind.NamespaceKeyword:
      case SyntaxKind.ModuleKeyword:
      case SyntaxKind.GlobalKeyword:
        if (!isName && opensBlock(token, after, tokens[i + 2])) {
          add('ambient', token.start, `${token.text} ${after?.text ?? ''}`);
        }
        break;
      case SyntaxKind.ImportKeyword:
        if (!isName && !isDeclaredName(before)) add('import', token.start, `import ${after?.text ?? ''}`);
        break;
      case SyntaxKind.RequireKeyword:
        if (!isName && after?.kind === SyntaxKind.OpenParenToken) add('import', token.start, 'require(');
        break;
      case SyntaxKind.FromKeyword:
        if (
          after?.kind === SyntaxKind.StringLiteral &&
          before?.kind !== undefined &&
          !importedBefore(tokens, i)
        ) {
          add('import', token.start, `from ${after.text}`);
        }
        break;
      case SyntaxKind.ExportKeyword:
        if (after?.kind === SyntaxKind.EqualsToken) add('import', token.start, 'export =');
        break;
      case SyntaxKind.Identifier:
        if (
          !isName &&
          (token.text === 'eval' || token.text === 'Function') &&
          callsOrNames(token, before, after)
        ) {
          add('eval', token.start, token.text);
        }
        break;
      default:
    }
  }
  return found;
}

/**
 * Whether a program might touch what is beyond its own module: the global scope, another module, a library. Reads the
 * bare text, and says yes too often rather than too seldom: words in strings count, and so does any escape that could
 * spell them.
 */
export function mayReachOut(source: string): boolean {
  return /\b(?:global|module|namespace)\b|<\s*reference|<\s*amd|@import|\\u/.test(source);
}

function tokensOf(source: string, onComment: (start: number, text: string) => void): Token[] {
  const scanner = createScanner(false);
  scanner.setText(source);
  const tokens: Token[] = [];
  /** For each open `${`, how many braces are open inside it. */
  const templates: number[] = [];
  for (;;) {
    let kind = scanner.scan();
    if (kind === SyntaxKind.EndOfFile) return tokens;
    if (kind === SyntaxKind.SingleLineCommentTrivia || kind === SyntaxKind.MultiLineCommentTrivia) {
      onComment(scanner.getTokenStart(), scanner.getTokenText());
      continue;
    }
    if (kind === SyntaxKind.WhitespaceTrivia || kind === SyntaxKind.NewLineTrivia) continue;
    const last = tokens.at(-1);
    if ((kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) && startsExpression(last)) {
      kind = scanner.reScanSlashToken();
    }
    const depth = templates.length - 1;
    if (kind === SyntaxKind.TemplateHead) templates.push(0);
    else if (depth >= 0 && kind === SyntaxKind.OpenBraceToken) templates[depth]!++;
    else if (depth >= 0 && kind === SyntaxKind.CloseBraceToken) {
      if (templates[depth]! > 0) templates[depth]!--;
      else {
        kind = scanner.reScanTemplateToken(false);
        if (kind === SyntaxKind.TemplateTail) templates.pop();
      }
    }
    tokens.push({
      kind,
      text: scanner.getTokenText(),
      start: scanner.getTokenStart(),
      lineBreak:
        last === undefined ||
        /[\n\r]/.test(source.slice(last.start + last.text.length, scanner.getTokenStart())),
    });
  }
}

/** Whether what follows this token begins an expression: a slash there begins a regular expression. */
function startsExpression(before: Token | undefined): boolean {
  if (before === undefined) return true;
  return !endsValue(before);
}

function endsValue({ kind, text }: Token): boolean {
  switch (kind) {
    case SyntaxKind.Identifier:
    case SyntaxKind.NumericLiteral:
    case SyntaxKind.BigIntLiteral:
    case SyntaxKind.StringLiteral:
    case SyntaxKind.NoSubstitutionTemplateLiteral:
    case SyntaxKind.TemplateTail:
    case SyntaxKind.RegularExpressionLiteral:
    case SyntaxKind.CloseParenToken:
    case SyntaxKind.CloseBracketToken:
    case SyntaxKind.CloseBraceToken:
    case SyntaxKind.ThisKeyword:
    case SyntaxKind.SuperKeyword:
    case SyntaxKind.NullKeyword:
    case SyntaxKind.TrueKeyword:
    case SyntaxKind.FalseKeyword:
    case SyntaxKind.PlusPlusToken:
    case SyntaxKind.MinusMinusToken:
    case SyntaxKind.ExclamationToken:
      return true;
    default:
      // Contextual keywords are names, too.
      return kind > SyntaxKind.WithKeyword && /^[a-z]/.test(text);
  }
}

/** `let any`, `function any`, `{ any` are names; after them no type is meant. */
function isDeclaredName(before: Token | undefined): boolean {
  switch (before?.kind) {
    case SyntaxKind.LetKeyword:
    case SyntaxKind.ConstKeyword:
    case SyntaxKind.VarKeyword:
    case SyntaxKind.FunctionKeyword:
      return true;
    default:
      return false;
  }
}

function startsDeclaration({ kind }: Token): boolean {
  switch (kind) {
    case SyntaxKind.ConstKeyword:
    case SyntaxKind.LetKeyword:
    case SyntaxKind.VarKeyword:
    case SyntaxKind.FunctionKeyword:
    case SyntaxKind.ClassKeyword:
    case SyntaxKind.AbstractKeyword:
    case SyntaxKind.EnumKeyword:
    case SyntaxKind.ModuleKeyword:
    case SyntaxKind.NamespaceKeyword:
    case SyntaxKind.GlobalKeyword:
    case SyntaxKind.InterfaceKeyword:
    case SyntaxKind.TypeKeyword:
    case SyntaxKind.AsyncKeyword:
    case SyntaxKind.ImportKeyword:
    case SyntaxKind.Identifier:
    case SyntaxKind.ReadonlyKeyword:
    case SyntaxKind.StaticKeyword:
    case SyntaxKind.UsingKeyword:
      return true;
    default:
      return false;
  }
}

function opensBlock(token: Token, after: Token | undefined, next: Token | undefined): boolean {
  if (after === undefined) return false;
  if (token.kind === SyntaxKind.GlobalKeyword) return after.kind === SyntaxKind.OpenBraceToken;
  if (after.kind === SyntaxKind.StringLiteral) return true;
  return (
    !after.lineBreak &&
    /^[\p{L}_$]/u.test(after.text) &&
    (next?.kind === SyntaxKind.OpenBraceToken || next?.kind === SyntaxKind.DotToken)
  );
}

/** Whether the `from` at `index` belongs to an import that is counted already. */
function importedBefore(tokens: readonly Token[], index: number): boolean {
  for (let i = index - 1; i >= 0 && i > index - 500; i--) {
    if (tokens[i]!.kind === SyntaxKind.ImportKeyword) return true;
    if (tokens[i]!.kind === SyntaxKind.ExportKeyword || tokens[i]!.kind === SyntaxKind.SemicolonToken)
      return false;
  }
  return false;
}

function callsOrNames(token: Token, before: Token | undefined, after: Token | undefined): boolean {
  // `Function` as a type harms nobody; called or passed on, it makes code.
  if (token.text === 'Function') {
    return after?.kind === SyntaxKind.OpenParenToken || before?.kind === SyntaxKind.NewKeyword;
  }
  return after?.kind !== SyntaxKind.ColonToken;
}
