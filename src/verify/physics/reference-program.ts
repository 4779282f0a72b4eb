/**
 * A right program for the bouncing ball, as a model might write it: exact parabolas, bounces found by small steps and
 * bisection. It shares no code with the reference simulator that judges programs. Its laws can be broken one at a
 * time, for tests that show what each law sees.
 */

export type Flaw =
  | 'none'
  | 'no radius'
  | 'no restitution'
  | 'energy gain'
  | 'no friction'
  | 'wrong friction sign'
  | 'tunnelling'
  | 'walls at rest'
  | 'walls without drag'
  | 'frozen'
  | 'teleport';

export function ballProgram(flaw: Flaw = 'none'): string {
  const when = (name: Flaw, broken: string, right: string) => (flaw === name ? broken : right);
  if (flaw === 'frozen') {
    return `export function simulate(s: any, step: number, count: number) {
  return Array.from({ length: count + 1 }, () => ({ x: s.position[0], y: s.position[1], vx: s.velocity[0], vy: s.velocity[1], spin: s.spin }));
}`;
  }
  return `interface Scenario {
  vertices: [number, number][]; center: [number, number]; angularVelocity: number; gravity: [number, number];
  radius: number; position: [number, number]; velocity: [number, number]; spin: number;
  restitution: number; friction: number;
}
interface State { x: number; y: number; vx: number; vy: number; spin: number }

export function simulate(s: Scenario, step: number, count: number): State[] {
  const radius = ${when('no radius', '0', 's.radius')};
  const walls = (time: number) => {
    const a = s.angularVelocity * time, cos = Math.cos(a), sin = Math.sin(a);
    const turned = s.vertices.map(([x, y]) => {
      const dx = x - s.center[0], dy = y - s.center[1];
      return [s.center[0] + cos * dx - sin * dy, s.center[1] + sin * dx + cos * dy];
    });
    return turned.map(([x, y], i) => {
      const [x2, y2] = turned[(i + 1) % turned.length];
      const length = Math.hypot(x2 - x, y2 - y);
      return { x, y, nx: -(y2 - y) / length, ny: (x2 - x) / length };
    });
  };
  const fly = (b: State, t: number): State => ({
    x: b.x + b.vx * t + s.gravity[0] * t * t / 2, y: b.y + b.vy * t + s.gravity[1] * t * t / 2,
    vx: b.vx + s.gravity[0] * t, vy: b.vy + s.gravity[1] * t, spin: b.spin,
  });
  const gaps = (b: State, time: number) => walls(time).map((w) => (b.x - w.x) * w.nx + (b.y - w.y) * w.ny - radius);
  const bounce = (b: State, time: number): State => {
    let now = b;
    for (const w of walls(time)) {
      if ((now.x - w.x) * w.nx + (now.y - w.y) * w.ny - radius > 1e-6) continue;
      const px = now.x - s.radius * w.nx - s.center[0], py = now.y - s.radius * w.ny - s.center[1];
      let wx = ${when('walls at rest', '0', '-s.angularVelocity * py')}, wy = ${when('walls at rest', '0', 's.angularVelocity * px')};
      ${when('walls without drag', 'const wn = wx * w.nx + wy * w.ny; wx = wn * w.nx; wy = wn * w.ny;', '')}
      const un = (now.vx - wx) * w.nx + (now.vy - wy) * w.ny;
      if (un >= 0) continue;
      const ut = -(now.vx - wx) * w.ny + (now.vy - wy) * w.nx - now.spin * s.radius;
      const e = ${when('no restitution', '1', when('energy gain', '1.3', 's.restitution'))};
      const jn = -(1 + e) * un;
      const limit = s.friction * jn;
      const jt = ${when('no friction', '0', `${when('wrong friction sign', '', '-')}Math.max(-limit, Math.min(limit, ut / 3))`)};
      now = { ...now, vx: now.vx + jn * w.nx - jt * w.ny, vy: now.vy + jn * w.ny + jt * w.nx, spin: now.spin - 2 * jt / s.radius };
    }
    return now;
  };
  let ball: State = { x: s.position[0], y: s.position[1], vx: s.velocity[0], vy: s.velocity[1], spin: s.spin };
  const states = [ball];
  const parts = 40;
  let bounces = 0;
  for (let i = 0; i < count * parts; i++) {
    let time = i * step / parts, left = step / parts;
    for (let k = 0; k < 8 && left > 0; k++) {
      const next = fly(ball, left);
      const end = gaps(next, time + left);
      const start = gaps(ball, time);
      const hit = end.findIndex((gap, j) => gap < 0 && gap < start[j]);
      if (hit < 0 ${when('tunnelling', '|| bounces > 0', '')}) { ball = next; left = 0; break; }
      let low = 0, high = left;
      for (let n = 0; n < 50; n++) {
        const mid = (low + high) / 2;
        if (gaps(fly(ball, mid), time + mid)[hit] < 0) high = mid; else low = mid;
      }
      ball = bounce(fly(ball, high), time + high);
      bounces++;
      time += high; left -= high;
    }
    ${when('teleport', 'if (i === 30 * parts) { const d = s.center[0] - ball.x; ball = { ...ball, x: s.center[0] + d * 0.5 + 0.05 }; }', '')}
    if ((i + 1) % parts === 0) states.push(ball);
  }
  return states;
}
`;
}
