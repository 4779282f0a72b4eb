import { defineTask } from 'aha';

export default defineTask({
  name: 'reverse',
  prompts: (random, level) => {
    const letters = Array.from({ length: 2 + level }, () => random.pick('abcdefgh'.split('')));
    return { prompt: `Reverse the word ${letters.join('')}.`, answer: letters.toReversed().join('') };
  },
  levels: 4,
  verify: (problem, answer) => answer.trim() === problem.answer,
});
