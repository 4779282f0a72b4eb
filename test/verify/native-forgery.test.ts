/** Native programs that want the reward without the work, under bubblewrap: only the whole right output earns it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBubblewrapSandbox } from '../../src/sandbox/bubblewrap/bubblewrap-sandbox.ts';
import type { Language, Sandbox } from '../../src/sandbox/sandbox.ts';
import { code } from '../../src/verify/code/code.ts';
import { judge, type Verdict } from '../../src/verify/verdict.ts';
import { bubblewrapHere } from '../sandbox/bubblewrap-here.ts';

const here = await bubblewrapHere();

let sandbox: Sandbox;
beforeAll(async () => {
  if (here.reason === undefined) sandbox = await openBubblewrapSandbox();
}, 120_000);
afterAll(async () => sandbox?.[Symbol.asyncDispose]());

/** In each language: a program around statements, doubling the number that it is given, printing a line, ending. */
interface Writer {
  readonly program: (body: string) => string;
  readonly double: string;
  readonly print: (text: string) => string;
  readonly exit: (status: number) => string;
}

const writers: Partial<Record<Language, Writer>> = {
  c: {
    program: (body) => `#include <stdio.h>\n#include <stdlib.h>\nint main(void) { int n; ${body} return 0; }`,
    double: 'scanf("%d", &n); printf("%d\\n", 2 * n);',
    print: (text) => `puts("${text}");`,
    exit: (status) => `exit(${status});`,
  },
  go: {
    program: (body) =>
      `package main\nimport ("fmt"; "os")\nvar _ = os.Exit\nvar _ = fmt.Println\nfunc main() { var n int; _ = n; ${body} }\n`,
    double: 'fmt.Scan(&n); fmt.Println(2 * n);',
    print: (text) => `fmt.Println("${text}");`,
    exit: (status) => `os.Exit(${status});`,
  },
  rust: {
    program: (body) => `#![allow(unreachable_code)]\nfn main() { ${body} }`,
    double:
      'let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap(); println!("{}", 2 * s.trim().parse::<i32>().unwrap());',
    print: (text) => `println!("${text}");`,
    exit: (status) => `std::process::exit(${status});`,
  },
  java: {
    program: (body) => `public class Main { public static void main(String[] a) { ${body} } }`,
    double: 'System.out.println(2 * new java.util.Scanner(System.in).nextInt());',
    print: (text) => `System.out.println("${text}");`,
    exit: (status) => `System.exit(${status});`,
  },
  node: {
    program: (body) => `import { readFileSync } from "node:fs";\n${body}`,
    double: 'console.log(2 * Number(readFileSync(0, "utf8")));',
    print: (text) => `console.log("${text}");`,
    exit: (status) => `process.exit(${status});`,
  },
};

/** What each does instead of printing 42 and nothing else. */
const forgeries: Readonly<Record<string, (writer: Writer) => string>> = {
  'markers and PASS': ({ print, exit }) =>
    ['PASS', '@aha-000000000000000000000000@', '1 passed'].map(print).join(' ') + exit(0),
  'an early exit': ({ exit }) => exit(0),
  'output before the right one': ({ print, double }) => print('PASS') + double,
  'output after the right one': ({ print, double }) => double + print('42'),
  'the right output and a failure': ({ double, exit }) => double + exit(1),
};

describe.skipIf(here.reason !== undefined)(`bubblewrap ${here.title}`, () => {
  for (const [name, writer] of Object.entries(writers)) {
    const language = name as Language;
    const verdictOf = async (body: string): Promise<Verdict> => {
      const verify = code.program<null>(language, {
        tests: { kind: 'io', cases: [{ stdin: '21\n', stdout: '42\n' }] },
        sandbox,
        limits: { wallMs: 20_000 },
      });
      const response = writer.program(body);
      return judge((signal, pause) => verify(null, response, { response, signal, pause }), {
        deadline: 200_000,
      });
    };
    describe.skipIf(!here.languages.has(language))(
      `${language}${here.languages.has(language) ? '' : ' is skipped: it is not installed'}`,
      () => {
        it('a right program earns everything, and no forgery anything', async () => {
          expect(await verdictOf(writer.double)).toMatchObject({ outcome: 'scored', score: 1 });
          const forged = await Promise.all(
            Object.entries(forgeries).map(
              async ([kind, write]) => [kind, await verdictOf(write(writer))] as const,
            ),
          );
          for (const [kind, verdict] of forged) {
            // All of them compile: it is their output that is wrong.
            const expected = { outcome: 'scored', score: 0, parts: { compile: 1, tests: 0 } };
            expect(verdict, kind).toMatchObject(expected);
          }
        }, 600_000);
      },
    );
  }
});
