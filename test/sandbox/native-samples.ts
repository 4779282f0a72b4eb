/** The samples of conformance.ts in the languages that have native toolchains. */
import type { Language } from '../../src/sandbox/sandbox.ts';
import type { Samples } from './conformance.ts';

const c: Samples = {
  file: 'main.c',
  hello: '#include <stdio.h>\nint main(void) { puts("hello, wörld"); }',
  // Bytes beyond ASCII: é is C3 A9, É is C3 89.
  upper: `#include <stdio.h>
    int main(void) {
      int c;
      while ((c = getchar()) != EOF) putchar(c >= 'a' && c <= 'z' ? c - 32 : c == 0xa9 ? 0x89 : c);
      putchar('\\n');
    }`,
  arguments: `#include <stdio.h>
    int main(int n, char **a) { for (int i = 1; i < n; i++) printf("%s%s", i > 1 ? "," : "", a[i]); puts(""); }`,
  exit: '#include <stdio.h>\nint main(void) { puts("out"); fputs("err\\n", stderr); return 3; }',
  fail: '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { fputs("boom\\n", stderr); abort(); }',
  endless: 'int main(void) { for (volatile int i = 0;; i++); }',
  flood: '#include <stdio.h>\nint main(void) { for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); }',
  broken: 'int main( {',
  memory: `#include <stdlib.h>
    #include <string.h>
    int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); } }`,
  several: {
    'main.c': '#include <stdio.h>\n#include "lib/a.h"\nint main(void) { printf("%d\\n", value()); }',
    'lib/a.h': 'int value(void);',
    'lib/a.c': 'int value(void) { return 42; }',
  },
  severalEntry: 'main.c',
};

const cpp: Samples = {
  ...c,
  file: 'main.cpp',
  hello: '#include <iostream>\nint main() { std::cout << "hello, wörld" << std::endl; }',
  fail: '#include <stdexcept>\nint main() { throw std::runtime_error("boom"); }',
  memory:
    '#include <vector>\nint main() { std::vector<std::vector<int>> all; for (;;) all.emplace_back(1 << 18, 1); }',
  several: {
    'main.cpp': '#include <iostream>\n#include "lib/a.hpp"\nint main() { std::cout << value() << "\\n"; }',
    'lib/a.hpp': 'int value();',
    'lib/a.cpp': 'int value() { return 42; }',
  },
  severalEntry: 'main.cpp',
};

const go = (imports: string, body: string) =>
  `package main\nimport (${imports})\nfunc main() {\n${body}\n}\n`;
/** All use the same packages, so that the standard library is built for one set of them. */
const goImports = '"fmt"; "os"; "io"; "strings"';
const goProgram = (body: string) =>
  `${go(goImports, body)}var _ = fmt.Sprint\nvar _ = os.Exit\nvar _ = io.EOF\nvar _ = strings.ToUpper\n`;
const goSamples: Samples = {
  file: 'main.go',
  hello: goProgram('fmt.Println("hello, wörld")'),
  upper: goProgram('b, _ := io.ReadAll(os.Stdin); fmt.Println(strings.ToUpper(string(b)))'),
  arguments: goProgram('fmt.Println(strings.Join(os.Args[1:], ","))'),
  exit: goProgram('fmt.Println("out"); fmt.Fprintln(os.Stderr, "err"); os.Exit(3)'),
  fail: goProgram('panic("boom")'),
  endless: goProgram('for {}'),
  flood: goProgram('for { fmt.Println(strings.Repeat("x", 1000)) }'),
  broken: 'package main\nfunc main( {',
  memory: goProgram(
    'var all [][]byte; for { b := make([]byte, 1<<20); for i := range b { b[i] = 1 }; all = append(all, b) }',
  ),
  several: {
    'main.go': goProgram('fmt.Println(value())'),
    'a.go': 'package main\nfunc value() int { return 42 }',
  },
  severalEntry: 'main.go',
};

const rust: Samples = {
  file: 'main.rs',
  hello: 'fn main() { println!("hello, wörld"); }',
  upper: `use std::io::Read;
    fn main() { let mut s = String::new(); std::io::stdin().read_to_string(&mut s).unwrap(); println!("{}", s.to_uppercase()); }`,
  arguments: 'fn main() { println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join(",")); }',
  exit: 'fn main() { println!("out"); eprintln!("err"); std::process::exit(3); }',
  fail: 'fn main() { panic!("boom"); }',
  endless: 'fn main() { let mut i = 0u64; loop { i = std::hint::black_box(i + 1); } }',
  flood: 'fn main() { loop { println!("{}", "x".repeat(1000)); } }',
  broken: 'fn main( {',
  memory: 'fn main() { let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 20]); } }',
  several: {
    'main.rs': 'mod a;\nfn main() { println!("{}", a::value()); }',
    'a.rs': 'pub fn value() -> i32 { 42 }',
  },
  severalEntry: 'main.rs',
};

const java = (body: string) =>
  `public class Main { public static void main(String[] args) throws Exception { ${body} } }`;
const javaSamples: Samples = {
  file: 'Main.java',
  hello: java('System.out.write("hello, wörld\\n".getBytes("UTF-8")); System.out.flush();'),
  upper:
    java(`System.out.write((new String(System.in.readAllBytes(), "UTF-8").toUpperCase() + "\\n").getBytes("UTF-8"));
    System.out.flush();`),
  arguments: java('System.out.println(String.join(",", args));'),
  exit: java('System.out.println("out"); System.err.println("err"); System.exit(3);'),
  fail: java('throw new RuntimeException("boom");'),
  endless: java('while (System.nanoTime() != 0) {}'),
  flood: java('while (true) System.out.println("x".repeat(1000));'),
  broken: 'public class Main {',
  memory: java('var all = new java.util.ArrayList<byte[]>(); while (true) all.add(new byte[1 << 20]);'),
  several: {
    'Main.java': java('System.out.println(lib.A.value());'),
    'lib/A.java': 'package lib; public class A { public static int value() { return 42; } }',
  },
  severalEntry: 'Main.java',
};

/** Node.js proper, with what only it has. */
const node: Samples = {
  file: 'main.js',
  hello: 'process.stdout.write("hello, wörld\\n")',
  upper: 'console.log(require("fs").readFileSync(0, "utf8").toUpperCase())',
  arguments: 'console.log(process.argv.slice(2).join(","))',
  exit: 'console.log("out"); console.error("err"); process.exit(3)',
  fail: 'throw new Error("boom")',
  endless: 'for (;;);',
  flood: 'for (;;) console.log("x".repeat(1000));',
  broken: 'const = ;',
  memory: 'const all = []; for (;;) all.push(new Array(100000).fill(1.5));',
  several: { 'main.js': 'console.log(require("./lib/a").value)', 'lib/a.js': 'exports.value = 42' },
  severalEntry: 'main.js',
};

export const nativeSamples: Partial<Record<Language, Samples>> = {
  node,
  c,
  cpp,
  go: goSamples,
  rust,
  java: javaSamples,
};
