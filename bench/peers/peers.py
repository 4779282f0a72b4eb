"""The usual Python stack on the same shapes and batches as bench/: transformers, PyTorch, TRL.

A process that stays: one JSON command per line on standard input, one JSON answer per line on standard output, so
that bench/peers/compare.ts can interleave these measurements with ours without paying for Python's start each time.
An answer is {"seconds": …, …} or {"error": …}. Everything is float32 on the CPU with AHA_THREADS threads.

Needs the packages of requirements.txt.
"""

import json
import os
import random
import sys
import time
import warnings

threads = int(os.environ.get("AHA_THREADS", "0")) or len(os.sched_getaffinity(0))
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")

# Answers go to the original standard output; whatever libraries print goes to standard error.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

transformers.logging.set_verbosity_error()
torch.set_num_threads(threads)


def build(shape: dict, attention: str) -> LlamaForCausalLM:
    """A Llama with random weights; `shape` has the keys of bench/shapes.ts."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=shape["hiddenSize"],
        intermediate_size=shape["feedForwardSize"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["heads"],
        head_dim=shape["hiddenSize"] // shape["heads"],
        vocab_size=shape["vocabularySize"],
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        attn_implementation=attention,
    )
    model = LlamaForCausalLM(config).float()
    # No token ends a sequence: every one gets exactly as many tokens as were asked for, at no further cost.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


models: dict[str, LlamaForCausalLM] = {}


def model_of(shape: dict, attention: str) -> LlamaForCausalLM:
    key = json.dumps([shape, attention])
    if key not in models:
        models[key] = build(shape, attention)
    return models[key]


class Watch:
    """Seconds since it was made, on the wall and on the processors (all threads together)."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self) -> dict:
        return {"seconds": time.perf_counter() - self.wall, "processor": time.process_time() - self.processor}


def timed(work) -> dict:
    watch = Watch()
    work()
    return watch.read()


def describe(_: dict) -> dict:
    packages = {"torch": torch.__version__, "transformers": transformers.__version__}
    try:
        import trl

        packages["trl"] = trl.__version__
    except ImportError:
        pass
    return {"packages": packages, "threads": torch.get_num_threads(), "process": os.getpid()}


def matrix_product(command: dict) -> dict:
    """x [m, k] · wᵀ [k, n], as a linear layer computes it."""
    m, n, k = command["m"], command["n"], command["k"]
    x, w = torch.randn(m, k), torch.randn(n, k)
    with torch.inference_mode():
        torch.nn.functional.linear(x, w)
        return timed(lambda: torch.nn.functional.linear(x, w))


def generate(command: dict) -> dict:
    """`batch` prompts of `prompt` tokens, `tokens` new ones each, drawn at temperature 1 from all tokens."""
    model = model_of(command["shape"], command["attention"]).eval()
    ids = torch.randint(1, command["shape"]["vocabularySize"], (command["batch"], command["prompt"]))
    options = {} if command["cache"] == "dynamic" else {"cache_implementation": command["cache"]}
    with torch.inference_mode():
        watch = Watch()
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            max_new_tokens=command["tokens"],
            **options,
        )
        answered = watch.read()
    assert output.shape[1] == command["prompt"] + command["tokens"]
    return answered


def forward_backward(command: dict) -> dict:
    """
    Gradient of the summed cross-entropy of all tokens but the first, accumulated into existing gradients.
    `lengths` are those of the sequences: padded on the right to the longest of each `rows` of them, which are sorted
    by length first. No attention mask: what follows a token cannot change it.
    """
    model = model_of(command["shape"], command["attention"]).train()
    lengths = sorted(command["lengths"], reverse=True)
    vocabulary = command["shape"]["vocabularySize"]
    batches = []
    for start in range(0, len(lengths), command["rows"]):
        part = lengths[start : start + command["rows"]]
        ids = torch.randint(1, vocabulary, (len(part), part[0]))
        labels = ids.clone()
        for row, length in enumerate(part):
            labels[row, length:] = -100
        batches.append((ids[:, :-1].contiguous(), labels[:, 1:].contiguous()))

    def work() -> None:
        for ids, labels in batches:
            logits = model(input_ids=ids, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits.view(-1, vocabulary), labels.view(-1), reduction="sum"
            )
            loss.backward()

    return timed(work)


optimizers: dict[str, torch.optim.Optimizer] = {}


def optimizer_step(command: dict) -> dict:
    """Clips by the global norm, applies fused AdamW, clears the gradient."""
    model = model_of(command["shape"], "sdpa")
    key = json.dumps(command["shape"])
    if key not in optimizers:
        optimizers[key] = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)
    optimizer = optimizers[key]
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)

    def work() -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return timed(work)


def grpo(command: dict) -> dict:
    """
    Opens a GRPOTrainer and answers commands of its own until {"do": "close"}: each {"do": "step"} takes one training
    step and answers its time, from the end of the step before (or the command, if later) to its own end, and how
    much of it went into generation. One step is `prompts` × `completions` completions.
    """
    from datasets import Dataset
    from tokenizers import Tokenizer, models as tokenizer_models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from trl import GRPOConfig, GRPOTrainer

    shape = command["shape"]
    vocabulary = {f"t{index}": index for index in range(shape["vocabularySize"])}
    words = Tokenizer(tokenizer_models.WordLevel(vocabulary, unk_token="t0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="t0", eos_token="t1", padding_side="left")

    draw = random.Random(0)
    prompts = [
        " ".join(f"t{draw.randrange(2, shape['vocabularySize'])}" for _ in range(command["prompt"])) for _ in range(512)
    ]
    clock = {"generation": 0.0, "watch": Watch()}

    class Timed(GRPOTrainer):
        def _generate(self, *arguments, **options):
            start = time.perf_counter()
            try:
                return super()._generate(*arguments, **options)
            finally:
                clock["generation"] += time.perf_counter() - start

    completions = command["prompts"] * command["completions"]
    rows = command["rows"]
    arguments = GRPOConfig(
        output_dir=os.path.join(os.environ.get("TMPDIR", "/tmp"), "aha-bench-trl"),
        use_cpu=True,
        bf16=False,
        # True unless said otherwise, which spares memory and costs time.
        gradient_checkpointing=command["checkpointing"],
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=completions // rows,
        num_generations=command["completions"],
        max_completion_length=command["tokens"],
        # Exactly as many tokens as ours: the end-of-text token cannot be drawn before the last.
        generation_kwargs={"min_new_tokens": command["tokens"]},
        cache_implementation=None if command["cache"] == "dynamic" else command["cache"],
        temperature=1.0,
        beta=0.0,
        loss_type=command["loss"],
        learning_rate=1e-5,
        max_steps=1_000_000,
        optim="adamw_torch_fused",
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        seed=0,
    )
    # A model of its own: the trainer changes it.
    trainer = Timed(
        model=build(shape, command["attention"]),
        args=arguments,
        reward_funcs=lambda completions, **_: [draw.random() for _ in completions],
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        callbacks=[remote(clock)],
    )
    return train(trainer)


def sft(command: dict) -> dict:
    """
    Opens a Trainer and answers commands as `grpo` does. One step learns from examples of these `lengths`, sorted by
    length and padded to the longest of each `rows` of them; the first `promptShare` of each is not learned.
    """
    from torch.utils.data import SequentialSampler
    from transformers import Trainer, TrainingArguments

    shape = command["shape"]
    lengths = sorted(command["lengths"], reverse=True)
    torch.manual_seed(1)
    tokens = [torch.randint(2, shape["vocabularySize"], (length,)) for length in lengths]
    clock = {"watch": Watch()}

    class Examples(torch.utils.data.Dataset):
        def __len__(self):
            return len(lengths) * 10_000

        def __getitem__(self, index):
            ids = tokens[index % len(lengths)]
            labels = ids.clone()
            labels[: max(1, round(len(ids) * command["promptShare"]))] = -100
            return {"input_ids": ids, "labels": labels}

    def collate(examples):
        pad = torch.nn.utils.rnn.pad_sequence
        ids = [example["input_ids"] for example in examples]
        return {
            "input_ids": pad(ids, batch_first=True, padding_value=0),
            "attention_mask": pad([torch.ones_like(own) for own in ids], batch_first=True, padding_value=0),
            "labels": pad([example["labels"] for example in examples], batch_first=True, padding_value=-100),
        }

    class InOrder(Trainer):
        def _get_train_sampler(self, *arguments, **options):
            return SequentialSampler(self.train_dataset)

    rows = command["rows"]
    arguments = TrainingArguments(
        output_dir=os.path.join(os.environ.get("TMPDIR", "/tmp"), "aha-bench-trainer"),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=len(lengths) // rows,
        learning_rate=1e-5,
        weight_decay=0.01,
        max_grad_norm=1.0,
        max_steps=1_000_000,
        optim="adamw_torch_fused",
        remove_unused_columns=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        seed=0,
    )
    trainer = InOrder(
        model=build(shape, command["attention"]),
        args=arguments,
        train_dataset=Examples(),
        data_collator=collate,
        callbacks=[remote(clock)],
    )
    return train(trainer)


def remote(clock: dict):
    """A callback with which a trainer waits for the next command between two steps; `clock` is answered after each."""
    from transformers import TrainerCallback

    class Remote(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            answer({"opened": True})
            return self.wait(control)

        def on_step_end(self, args, state, control, **kwargs):
            rest = {name: value for name, value in clock.items() if name != "watch"}
            answer({**clock["watch"].read(), **rest})
            return self.wait(control)

        def wait(self, control):
            for line in sys.stdin:
                inner = json.loads(line)
                if inner["do"] == "step":
                    clock.update({name: 0.0 for name in clock}, watch=Watch())
                    return control
                if inner["do"] == "close":
                    break
                answer(run(inner))
            control.should_training_stop = True
            return control

    return Remote()


def train(trainer) -> dict:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.train()
    return {"closed": True}


commands = {
    "describe": describe,
    "matrixProduct": matrix_product,
    "generate": generate,
    "forwardBackward": forward_backward,
    "optimizerStep": optimizer_step,
    "sft": sft,
    "grpo": grpo,
}


def run(command: dict) -> dict:
    try:
        return commands[command["do"]](command)
    except Exception as error:  # The caller decides what a failure means.
        return {"error": f"{type(error).__name__}: {error}"}


def answer(value: dict) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        if line.strip():
            answer(run(json.loads(line)))
